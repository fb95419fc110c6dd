"""Failure notices: a sink's owner who subscribes to error logs is told, as an event, that deliveries to it fail.

    settled, expired ─► somebody subscribes? ─► the cadence says now? ─► outbox ─► events topic

Optional from end to end: nothing here makes a delivery wait or fail.
"""

from sink_workers.notices.failures import FailureNotices, open_notices

__all__ = ["FailureNotices", "open_notices"]
