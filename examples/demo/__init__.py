"""The whole of Event Streams at work on this machine: ``make demo``."""
