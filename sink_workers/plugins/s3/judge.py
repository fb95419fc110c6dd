"""Maps S3's answers to outcomes for the events of an object: the retry matrix of ``docs/sinks/s3.md``. Pure.

S3 does not look at events, so no answer makes a dead letter. A failure's outcome never has the status: a 4xx would tell
the worker that the sink works and refuses single events.
"""

import re
from http import HTTPStatus
from typing import Final

from eventstreams.sinks import Delivered, DeliveryOutcome, RetryLater, RetryReason
from sink_workers.plugins.aws.refusal import MAX_CODE, Refusal
from sink_workers.plugins.webhook.client import Answer

_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9._-]{1,%d})</Code>" % MAX_CODE)
_THROTTLED: Final = frozenset(
    {"RequestLimitExceeded", "SlowDown", "SlowDownWrite", "Throttling", "ThrottlingException", "TooManyRequests"}
)
_NOT_USABLE: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


def code_of(body: bytes) -> str:
    """S3's error code in an answer; empty if there is none."""
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def judge(answer: Answer | Refusal | RetryLater) -> DeliveryOutcome:
    """The outcome of each event of an object, from the answer to its ``PutObject``."""
    match answer:
        case RetryLater():
            return answer
        case Answer(etag=None):
            return RetryLater(RetryReason.BAD_ANSWER, "HTTP 200 without an ETag, which is not an S3 response")
        case Answer():
            return Delivered(answer.status)
        case Refusal():
            return _refused(answer)


def judge_probe(answer: Answer | Refusal | RetryLater) -> DeliveryOutcome:
    """The outcome of a probe, from the answer to its ``ListObjectsV2``."""
    match answer:
        case RetryLater():
            return answer
        case Answer(body=body) if b"<ListBucketResult" in body:
            return Delivered(answer.status)
        case Answer():
            return RetryLater(RetryReason.BAD_ANSWER, "its answer is not a ListObjectsV2 response")
        case Refusal():
            return _refused(answer)


def _refused(refusal: Refusal) -> RetryLater:
    return RetryLater(_reason(refusal), refusal.words, answer=refusal.answer)


def _reason(refusal: Refusal) -> RetryReason:
    if refusal.code in _THROTTLED or refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
        return RetryReason.THROTTLED
    if refusal.is_about_the_key:
        return RetryReason.ROLE_REFUSED
    if refusal.status in _NOT_USABLE:
        return RetryReason.SINK_UNUSABLE
    if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RetryReason.SERVER_ERROR
    if HTTPStatus.MULTIPLE_CHOICES <= refusal.status < HTTPStatus.BAD_REQUEST:
        return RetryReason.REDIRECTED
    return RetryReason.BAD_ANSWER
