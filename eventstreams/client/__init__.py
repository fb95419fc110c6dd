"""A typed Python client for our extensions of the API. For everything else, use the reference's own client."""

from eventstreams.client.asynchronous import AsyncEventStreams
from eventstreams.client.blocking import EventStreams
from eventstreams.client.connection import Connection
from eventstreams.client.errors import ApiError
from eventstreams.client.fields import KEEP, Which
from eventstreams.client.values import DeliveryState, FilterVerdict, JobStatus, SinkHealth, SkipReason

__all__ = [
    "KEEP",
    "ApiError",
    "AsyncEventStreams",
    "Connection",
    "DeliveryState",
    "EventStreams",
    "FilterVerdict",
    "JobStatus",
    "SinkHealth",
    "SkipReason",
    "Which",
]
