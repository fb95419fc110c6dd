"""Subscriptions: the resource, its types, filter and retries, and the end of deleted ones."""
