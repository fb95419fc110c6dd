"""Event types and schemas: what can be subscribed to."""
