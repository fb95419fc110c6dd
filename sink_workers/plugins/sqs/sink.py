"""The SQS sink: sends messages, and judges each by its own entry in the answer."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    SinkContext,
)
from sink_workers.plugins.aws.access import url_of
from sink_workers.plugins.aws.caller import Caller, caller
from sink_workers.plugins.aws.refusal import Refusal
from sink_workers.plugins.aws.signing import endpoint
from sink_workers.plugins.sqs.config import SqsConfig
from sink_workers.plugins.sqs.judge import code_of, is_queue, judge_messages, judge_refusal
from sink_workers.plugins.sqs.request import (
    CONTENT_TYPE,
    LOOK,
    MAX_BYTES,
    SEND,
    allowed,
    as_message,
    look,
    send_messages,
)
from sink_workers.plugins.webhook.client import Answer

_TOO_LARGE: Final = Rejected(DeadReason.TOO_LARGE, f"it has more than {MAX_BYTES} bytes")


class SqsSink:
    """Sends to one queue."""

    def __init__(self, config: SqsConfig, sqs: Caller) -> None:
        self._config = config
        self._sqs = sqs

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Send one ``SendMessageBatch`` with all events that are not too large for a message."""
        messages = [as_message(event, self._config) for event in batch]
        fitting = [message for message in messages if not message.is_too_large]
        if not fitting:
            return [_TOO_LARGE] * len(batch)
        outcomes = iter(await self._send(send_messages(self._config.queue_url, fitting), len(fitting)))
        return [_TOO_LARGE if message.is_too_large else next(outcomes) for message in messages]

    async def probe(self) -> DeliveryOutcome:
        """Look the queue up: shows that the role can be assumed and that the queue exists."""
        answer = await self._sqs.call(_headers(LOOK), look(self._config.queue_url))
        match answer:
            case RetryLater():
                return answer
            case Refusal():
                return judge_refusal(answer, messages=1)
            case Answer():
                if is_queue(answer.body):
                    return Delivered(HTTPStatus.OK)
                return RetryLater(RetryReason.BAD_ANSWER, "its answer is not a GetQueueAttributes response")

    async def aclose(self) -> None:
        await self._sqs.aclose()

    async def _send(self, body: bytes, messages: int) -> Sequence[DeliveryOutcome]:
        answer = await self._sqs.call(_headers(SEND), body)
        match answer:
            case RetryLater():
                return [answer] * messages
            case Refusal():
                return [judge_refusal(answer, messages=messages)] * messages
            case Answer():
                return judge_messages(answer.body, messages=messages)


async def open_sink(config: SqsConfig, context: SinkContext) -> SqsSink:
    """Create the sink; it assumes its role at the first delivery."""
    sqs = endpoint("sqs", config.region, url_of("sqs", config.region))
    return SqsSink(config, caller(sqs, config, context, allowed=allowed(config.arn), code_of=code_of))


def _headers(target: str) -> Mapping[str, str]:
    return {"Content-Type": CONTENT_TYPE, "X-Amz-Target": target}
