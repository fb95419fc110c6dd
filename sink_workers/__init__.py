"""Sink workers deliver the events in subscription topics: each is delivered, retried later, or a dead letter."""
