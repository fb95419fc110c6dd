"""What is said to SQS: pure, so that bounds and bytes can be tested without a server."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from eventstreams.sinks import OutboundEvent
from sink_workers.plugins.aws.access import Allowed
from sink_workers.plugins.sqs.config import MessageGroup, SqsConfig

# SendMessageBatch's own limits, each of one message and of all of a request together.
MAX_MESSAGES: Final = 10
MAX_BYTES: Final = 1 << 20

SEND: Final = "AmazonSQS.SendMessageBatch"
LOOK: Final = "AmazonSQS.GetQueueAttributes"
CONTENT_TYPE: Final = "application/x-amz-json-1.0"

_ID: Final = re.compile(r"[!-~]{1,128}")  # of a group: printable ASCII without the space
# Legal in JSON and in Python's texts, but not in a message.
_NONCHARACTERS: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}

_GROUPS: Final[Mapping[MessageGroup, Callable[[OutboundEvent], str]]] = {
    "event_key": lambda event: event.partition_key or event.id,
    "account_sid": lambda event: event.account_sid,
    "event_id": lambda event: event.id,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One event as SQS takes it: ``body`` is its CloudEvents JSON."""

    body: str
    size: int
    fifo: Mapping[str, str]

    @property
    def is_too_large(self) -> bool:
        """Whether no queue takes it."""
        return self.size > MAX_BYTES


def allowed(arn: str) -> Allowed:
    """What is needed to write to the queue ``arn``."""
    send = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
    return [(send, arn), (["kms:GenerateDataKey", "kms:Decrypt"], "*")]


def as_message(event: OutboundEvent, config: SqsConfig) -> Message:
    """The message of ``event``; the same at each attempt, so that a FIFO queue drops a second copy."""
    body = event.json().decode().translate(_NONCHARACTERS)
    fifo = {}
    if config.is_fifo:
        group = _GROUPS[config.message_group](event)
        fifo = {"MessageGroupId": _fitting(group), "MessageDeduplicationId": _identity(event)}
    return Message(body, len(body.encode()), fifo)


def send_messages(queue_url: str, messages: Sequence[Message]) -> bytes:
    """The body of a ``SendMessageBatch``. Its answer names entries by their position in ``messages``."""
    entries = [{"Id": str(position), "MessageBody": each.body, **each.fifo} for position, each in enumerate(messages)]
    return orjson.dumps({"QueueUrl": queue_url, "Entries": entries})


def look(queue_url: str) -> bytes:
    """The body of a ``GetQueueAttributes`` that shows whether the queue is there."""
    return orjson.dumps({"QueueUrl": queue_url, "AttributeNames": ["QueueArn"]})


def _identity(event: OutboundEvent) -> str:
    """What no other event has. An id is its source's alone, and another account may have a source of that name."""
    return hashlib.sha256(orjson.dumps([event.account_sid, event.source, event.id])).hexdigest()


def _fitting(text: str) -> str:
    """``text``, or its hash where SQS would refuse it."""
    return text if _ID.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()
