"""The ordinary way to make copies: offsets are committed once the brokers have every copy."""
