"""Sinks: the resource, its configuration, tests, probes, samples, health and signing secret."""
