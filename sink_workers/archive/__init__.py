"""Reads back the objects that S3 sinks have written: ``eventstreams archive``."""
