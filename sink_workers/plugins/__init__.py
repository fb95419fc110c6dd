"""The built-in sinks. Each comes in by the same door as anybody's: the entry-point group ``eventstreams.sinks``."""
