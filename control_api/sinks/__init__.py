"""Sinks: the resource, its test, configuration, health, signing secret and samples."""
