"""Gates decide when a sink may be tried, with how many concurrent requests and how fast, from the sink's answers."""
