"""Reads back what S3 sinks have written: ``eventstreams archive``."""
