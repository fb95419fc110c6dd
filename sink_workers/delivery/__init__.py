"""Delivery: records are read, attempted, and settled: delivered, put on a retry topic, or dead-lettered."""
