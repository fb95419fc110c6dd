"""librdkafka behind four small wrappers. No other module touches the client, and ``Any`` stays in here."""
