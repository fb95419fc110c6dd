"""The whole path from publishing to delivery, each role in a process of its own: ``python -m benchmarks.path``."""
