"""Reads, writes and validates values by their Avro schemas. Knows nothing of the catalogue; for that see ``codec``."""
