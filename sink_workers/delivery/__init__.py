"""Delivery: records are read, attempted, and settled as delivered, to be retried, or dead."""
