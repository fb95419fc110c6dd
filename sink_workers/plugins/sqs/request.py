"""Builds the requests to SQS. Pure, so that limits and bytes can be tested without a server."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from eventstreams.sinks import OutboundEvent
from sink_workers.plugins.aws.access import Allowed
from sink_workers.plugins.sqs.config import MessageGroup, SqsConfig

# SendMessageBatch's limits. That of bytes applies to one message and to all of a request together.
MAX_MESSAGES: Final = 10
MAX_BYTES: Final = 1 << 20

SEND: Final = "AmazonSQS.SendMessageBatch"
LOOK: Final = "AmazonSQS.GetQueueAttributes"
CONTENT_TYPE: Final = "application/x-amz-json-1.0"

_ID: Final = re.compile(r"[!-~]{1,128}")  # a group's id: printable ASCII without spaces
# Legal in JSON and in Python's strings, but not in a message.
_NONCHARACTERS: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}

_GROUPS: Final[Mapping[MessageGroup, Callable[[OutboundEvent], str]]] = {
    "event_key": lambda event: event.partition_key or event.id,
    "account_sid": lambda event: event.account_sid,
    "event_id": lambda event: event.id,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One event as an SQS message.

    Attributes:
        body: Its CloudEvents JSON.
        size: Bytes of the body.
        fifo: The additional fields for a FIFO queue; else empty.
    """

    body: str
    size: int
    fifo: Mapping[str, str]

    @property
    def is_too_large(self) -> bool:
        """Whether it exceeds the limit of every queue."""
        return self.size > MAX_BYTES


def allowed(arn: str) -> Allowed:
    """What the role's keys need: to write to the queue ``arn``, and to look it up."""
    send = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
    return [(send, arn), (["kms:GenerateDataKey", "kms:Decrypt"], "*")]


def as_message(event: OutboundEvent, config: SqsConfig) -> Message:
    """The message for ``event``, the same at each attempt, so that a FIFO queue drops duplicates."""
    body = event.json().decode().translate(_NONCHARACTERS)
    fifo = {}
    if config.is_fifo:
        group = _GROUPS[config.message_group](event)
        fifo = {"MessageGroupId": _fitting(group), "MessageDeduplicationId": _identity(event)}
    return Message(body, len(body.encode()), fifo)


def send_messages(queue_url: str, messages: Sequence[Message]) -> bytes:
    """The body of a ``SendMessageBatch`` request. Its entry ids are the positions in ``messages``."""
    entries = [{"Id": str(position), "MessageBody": each.body, **each.fifo} for position, each in enumerate(messages)]
    return orjson.dumps({"QueueUrl": queue_url, "Entries": entries})


def look(queue_url: str) -> bytes:
    """The body of a ``GetQueueAttributes`` request that shows whether the queue exists."""
    return orjson.dumps({"QueueUrl": queue_url, "AttributeNames": ["QueueArn"]})


def _identity(event: OutboundEvent) -> str:
    """A globally unique identity: an event's id is unique only within its source, and a source within its account."""
    return hashlib.sha256(orjson.dumps([event.account_sid, event.source, event.id])).hexdigest()


def _fitting(text: str) -> str:
    """``text``, or its hash if SQS would refuse it."""
    return text if _ID.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()
