"""The whole path, from published to delivered, every role a process of its own: ``python -m benchmarks.path``."""
