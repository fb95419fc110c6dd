"""Maps AWS's answers to outcomes: the retry matrix of ``docs/sinks/sqs.md``. Pure."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from sink_workers.plugins.aws.refusal import MAX_CODE, Refusal

_THROTTLED: Final = frozenset({"KmsThrottled", "OverLimit", "RequestThrottled", "Throttling", "ThrottlingException"})
_TOO_LARGE: Final = "BatchRequestTooLong"
# Errors about a request or an entry. One message may be the cause; which one, only a request of its own shows.
_ABOUT_THE_MESSAGE: Final = frozenset(
    {"InvalidMessageContents", "InvalidParameterValue", "SerializationException", "ValidationException", _TOO_LARGE}
)
_NO_QUEUE: Final = frozenset({"InvalidAddress", "NonExistentQueue", "QueueDoesNotExist"})
_KMS: Final = "kms"  # how the errors about a queue's encryption key begin
_MESSAGE: Final = 1024  # characters


def code_of(body: bytes) -> str:
    """AWS's error code in an answer of SQS, without its namespace; empty if there is none."""
    found = _fields(body).get("__type", "")
    return _short(found) if isinstance(found, str) else ""


def judge_refusal(refusal: Refusal, *, messages: int) -> DeliveryOutcome:
    """The outcome of each message in a request that was refused as a whole; ``messages`` is how many it had."""
    if refusal.code in _ABOUT_THE_MESSAGE:
        if messages > 1:
            alone = f"{refusal.words} for {messages} events: each is retried separately"
            return RetryLater(RetryReason.BAD_ANSWER, alone, None, refusal.status, refusal.answer)
        reason = DeadReason.TOO_LARGE if refusal.code == _TOO_LARGE else DeadReason.REFUSED
        return Rejected(reason, refusal.words, refusal.status, refusal.answer)
    # Without the status: a 4xx would tell the worker that the sink works and refuses single events.
    if refusal.code in _THROTTLED or refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
        return RetryLater(RetryReason.THROTTLED, refusal.words, answer=refusal.answer)
    if refusal.is_about_the_key:
        return RetryLater(RetryReason.ROLE_REFUSED, refusal.words, answer=refusal.answer)
    if refusal.code in _NO_QUEUE or refusal.code.lower().startswith(_KMS):
        return RetryLater(RetryReason.STREAM_ERROR, refusal.words, answer=refusal.answer)
    return RetryLater(RetryReason.WRITE_FAILED, refusal.words, answer=refusal.answer)


def judge_messages(body: bytes, *, messages: int) -> Sequence[DeliveryOutcome]:
    """The outcome of each message of a ``SendMessageBatch``, in order. The answer's entry ids are positions."""
    answer = _fields(body)
    found: dict[object, DeliveryOutcome] = {}
    for name, judged in (("Successful", _judge_taken), ("Failed", _judge_failed)):
        entries = answer.get(name) or []
        if not isinstance(entries, list):
            return [_NONE] * messages
        found.update({entry.get("Id"): judged(entry) for entry in entries if isinstance(entry, Mapping)})
    return [found.get(str(position), _NONE) for position in range(messages)]


def is_queue(body: bytes) -> bool:
    """Whether ``body`` is an answer to ``GetQueueAttributes``."""
    return isinstance(_fields(body).get("Attributes"), dict)


_NONE: Final = RetryLater(RetryReason.BAD_ANSWER, "its answer does not mention this message")


def _judge_taken(entry: Mapping[str, object]) -> DeliveryOutcome:
    return Delivered(HTTPStatus.OK) if isinstance(entry.get("MessageId"), str) else _NONE


def _judge_failed(entry: Mapping[str, object]) -> DeliveryOutcome:
    code, answer = _short(str(entry.get("Code", ""))), str(entry.get("Message", ""))[:_MESSAGE]
    if code in _ABOUT_THE_MESSAGE:
        return Rejected(DeadReason.REFUSED, code, answer=answer)
    reason = RetryReason.THROTTLED if code in _THROTTLED else RetryReason.WRITE_FAILED
    return RetryLater(reason, code, answer=answer)


def _short(code: str) -> str:
    """The last word of ``AWS.SimpleQueueService.NonExistentQueue`` or ``com.amazonaws.sqs#QueueDoesNotExist``."""
    return code.rpartition("#")[2].rpartition(".")[2][:MAX_CODE]


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
