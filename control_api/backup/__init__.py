"""The control topic in a file, and from a file into an installation: ``eventstreams control export`` and ``import``."""
