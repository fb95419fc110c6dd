"""Sink workers: deliver what waits in subscription topics; every event ends delivered, on a retry topic, or dead."""
