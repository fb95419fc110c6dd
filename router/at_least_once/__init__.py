"""At-least-once copying, the default: offsets are committed once the brokers have every copy."""
