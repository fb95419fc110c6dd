"""Measures on this machine the cost of the parts that every event passes through: ``make bench``."""
