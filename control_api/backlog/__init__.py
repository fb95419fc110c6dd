"""What waits for workers and routers, as metrics: told by the primary, so also while no worker runs."""

from control_api.backlog.survey import surveying

__all__ = ["surveying"]
