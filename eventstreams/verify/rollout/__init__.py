"""A rolling restart: every process of an installation is replaced while it is in use."""
