"""Exports the control topic to a file, and imports it: ``eventstreams control export`` and ``import``."""
