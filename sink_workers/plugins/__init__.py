"""The built-in sinks. They are found like anybody's plugins: through the entry-point group ``eventstreams.sinks``."""
