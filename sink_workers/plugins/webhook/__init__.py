"""Webhooks: events as JSON arrays by HTTP, signed as the reference signs them."""

from sink_workers.plugins.webhook.sink import PLUGIN

__all__ = ["PLUGIN"]
