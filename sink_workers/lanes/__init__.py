"""Lanes take the records of each assigned partition, in order, from fetched to settled. They know nothing of sinks."""
