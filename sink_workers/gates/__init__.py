"""Gates: when a sink may be tried, with how many requests at once, how fast; learnt from its answers."""
