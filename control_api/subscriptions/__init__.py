"""Subscriptions: the resource, its types, filter and retries, and the clean-up after deleted ones."""
