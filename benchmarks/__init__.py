"""Benchmarks of the parts that every event passes through, on this machine: ``make bench``."""
