"""Lanes: the records of each assigned partition, in order, from fetched to settled. Knows nothing of sinks."""
