"""The event types that can be subscribed to, and their schemas."""
