"""Webhooks: events as JSON arrays over HTTP, signed as in the reference."""

from sink_workers.plugins.webhook.sink import PLUGIN

__all__ = ["PLUGIN"]
