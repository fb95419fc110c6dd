"""Event Streams: product events from Kafka to your customers' sinks, at least once."""

__version__ = "0.1.0"
