"""The public contract of sink plugins: all that a plugin imports of this project."""

from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sinks.connect import open_connection
from eventstreams.sinks.contract import API_VERSION, Capabilities, SigningSecrets, Sink, SinkContext, SinkPlugin
from eventstreams.sinks.event import OutboundEvent
from eventstreams.sinks.guard import DestinationForbiddenError, DestinationGuard
from eventstreams.sinks.outcomes import Delivered, DeliveryOutcome, Rejected, RetryLater

__all__ = [
    "API_VERSION",
    "Capabilities",
    "DeadReason",
    "Delivered",
    "DeliveryOutcome",
    "DestinationForbiddenError",
    "DestinationGuard",
    "OutboundEvent",
    "Rejected",
    "RetryLater",
    "RetryReason",
    "SigningSecrets",
    "Sink",
    "SinkContext",
    "SinkPlugin",
    "open_connection",
]
