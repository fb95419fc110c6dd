"""Maps AWS's answers to outcomes: the retry matrix of ``docs/sinks/kinesis.md``. Pure."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from sink_workers.plugins.aws.refusal import MAX_CODE, Refusal

_THROTTLED: Final = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
    }
)
# Errors about a request as a whole. One record may be the cause; which one, only a request of its own shows.
_ABOUT_THE_RECORDS: Final = frozenset({"InvalidArgumentException", "SerializationException", "ValidationException"})
_KMS: Final = "KMS"  # how the errors about a stream's encryption key begin
_NO_STREAM: Final = "ResourceNotFoundException"


def code_of(body: bytes) -> str:
    """AWS's error code in an answer of Kinesis; empty if there is none."""
    found = _fields(body).get("__type", "")
    return found.rpartition("#")[2][:MAX_CODE] if isinstance(found, str) else ""


def judge_refusal(refusal: Refusal, *, records: int) -> DeliveryOutcome:
    """The outcome of each record in a request that was refused as a whole; ``records`` is how many it had."""
    detail, answer = refusal.words, refusal.answer
    status = refusal.status
    if refusal.code == _NO_STREAM:
        return Rejected(DeadReason.NO_SUCH_STREAM, detail, status, answer)
    # Without the status: a 4xx would tell the worker that the sink works and refuses single events.
    if refusal.code in _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return RetryLater(RetryReason.THROTTLED, detail, answer=answer)
    if refusal.is_about_the_key:
        return RetryLater(RetryReason.ROLE_REFUSED, detail, answer=answer)
    if refusal.code.startswith(_KMS):
        return RetryLater(RetryReason.STREAM_ERROR, detail, answer=answer)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or refusal.code in _ABOUT_THE_RECORDS:
        if records > 1:
            alone = f"{detail} for {records} events: each is retried separately"
            return RetryLater(RetryReason.BAD_ANSWER, alone, None, status, answer)
        is_size = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return Rejected(DeadReason.TOO_LARGE if is_size else DeadReason.REFUSED, detail, status, answer)
    return RetryLater(RetryReason.WRITE_FAILED, detail, answer=answer)


def judge_records(body: bytes, *, records: int) -> Sequence[DeliveryOutcome]:
    """The outcome of each record of a ``PutRecords``, in order, from the answer's body."""
    entries = _fields(body).get("Records")
    if not isinstance(entries, list) or len(entries) != records:
        return [RetryLater(RetryReason.BAD_ANSWER, "its answer is not a PutRecords response")] * records
    outcomes = [_judge_entry(entry) for entry in entries]
    if Delivered() in outcomes:
        return outcomes
    return [_nothing_taken(outcome) for outcome in outcomes]


def throttled_of(outcomes: Sequence[DeliveryOutcome]) -> int:
    """How many records of a ``PutRecords`` exceeded their shards' limits."""
    return sum(isinstance(each, RetryLater) and each.detail in _THROTTLED for each in outcomes)


def judge_probe(refusal: Refusal) -> DeliveryOutcome:
    """The outcome of a probe whose request to list the stream's shards was refused."""
    outcome = judge_refusal(refusal, records=1)
    if isinstance(outcome, RetryLater) and outcome.reason is RetryReason.WRITE_FAILED:
        return RetryLater(RetryReason.STREAM_ERROR, outcome.detail, answer=outcome.answer)
    return outcome


def is_shards(body: bytes) -> bool:
    """Whether ``body`` is an answer to ``ListShards``."""
    return isinstance(_fields(body).get("Shards"), list)


def _judge_entry(entry: object) -> DeliveryOutcome:
    if not isinstance(entry, Mapping):
        return RetryLater(RetryReason.BAD_ANSWER, "an entry of its answer is not an object")
    code = entry.get("ErrorCode")
    if code is None:
        if not isinstance(entry.get("SequenceNumber"), str):
            return RetryLater(RetryReason.BAD_ANSWER, "an entry of its answer has no sequence number")
        return Delivered(HTTPStatus.OK)
    message = entry.get("ErrorMessage", "")
    return RetryLater(RetryReason.WRITE_FAILED, str(code)[:MAX_CODE], answer=str(message)[:1024])


def _nothing_taken(outcome: DeliveryOutcome) -> DeliveryOutcome:
    """The outcome of a record if none was taken: then throttling is the whole stream's, not single shards'."""
    if isinstance(outcome, RetryLater) and outcome.detail in _THROTTLED:
        return RetryLater(RetryReason.THROTTLED, outcome.detail, answer=outcome.answer)
    return outcome


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
