"""Values by Avro schemas: read, written, and what is wrong with one. Knows no catalogue; see ``codec``."""
