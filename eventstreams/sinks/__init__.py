"""The public contract of sink plugins: everything of this project that a plugin may import."""

from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sinks.avro_file import NoSchemaError, avro_file, avro_rows
from eventstreams.sinks.connect import first_of, open_connection
from eventstreams.sinks.contract import API_VERSION, Capabilities, SigningSecrets, Sink, SinkContext, SinkPlugin
from eventstreams.sinks.event import OutboundEvent
from eventstreams.sinks.failures import NONSENSE, no_answer, no_connection
from eventstreams.sinks.guard import DestinationForbiddenError, DestinationGuard
from eventstreams.sinks.guarded import GuardedSink, PendingCloses, open_guarded
from eventstreams.sinks.mail import MailSecurity, MailServer
from eventstreams.sinks.outcomes import Delivered, DeliveryOutcome, Rejected, RetryLater
from eventstreams.sinks.shown import HIDDEN, shown
from eventstreams.sinks.thread import GuardedThread

__all__ = [
    "API_VERSION",
    "HIDDEN",
    "NONSENSE",
    "Capabilities",
    "DeadReason",
    "Delivered",
    "DeliveryOutcome",
    "DestinationForbiddenError",
    "DestinationGuard",
    "GuardedSink",
    "GuardedThread",
    "MailSecurity",
    "MailServer",
    "NoSchemaError",
    "OutboundEvent",
    "PendingCloses",
    "Rejected",
    "RetryLater",
    "RetryReason",
    "SigningSecrets",
    "Sink",
    "SinkContext",
    "SinkPlugin",
    "avro_file",
    "avro_rows",
    "first_of",
    "no_answer",
    "no_connection",
    "open_connection",
    "open_guarded",
    "shown",
]
