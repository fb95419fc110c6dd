"""The life cycle of topics: their owners, orphaned ones, and how many there may be."""
