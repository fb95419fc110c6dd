"""Demo of a complete Event Streams on this machine: ``make demo``."""
