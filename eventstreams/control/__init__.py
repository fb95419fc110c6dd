"""Accounts, sinks and subscriptions: keyed records on one compacted topic, and a snapshot of them in every process."""
