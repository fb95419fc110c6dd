"""Failure notices: events that tell a sink's owner, if subscribed to error logs, that deliveries to the sink fail.

    settled, expired ─► is anybody subscribed? ─► is a notice due? ─► outbox ─► events topic

All of it is best effort: nothing here makes a delivery wait or fail.
"""

from sink_workers.notices.failures import FailureNotices, open_notices

__all__ = ["FailureNotices", "open_notices"]
