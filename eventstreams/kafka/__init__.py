"""Small wrappers around librdkafka. Nothing outside this package touches the client, and ``Any`` stays in here."""
