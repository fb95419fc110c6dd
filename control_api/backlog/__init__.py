"""Metrics of what waits for workers and routers. The API's primary exports them, so they exist even without workers."""

from control_api.backlog.survey import surveying

__all__ = ["surveying"]
