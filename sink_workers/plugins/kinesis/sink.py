"""The Kinesis sink: puts records, and judges each by its own entry in the answer."""

import asyncio
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
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.kinesis.judge import (
    code_of,
    is_shards,
    judge_probe,
    judge_records,
    judge_refusal,
    throttled_of,
)
from sink_workers.plugins.kinesis.request import (
    CONTENT_TYPE,
    LIST_SHARDS,
    MAX_RECORD_BYTES,
    PUT_RECORDS,
    allowed,
    as_records,
    list_shards,
    put_records,
)
from sink_workers.plugins.learnt_pace import Pace
from sink_workers.plugins.webhook.client import Answer

_OF_SHARD: Final = 1000.0  # records a second that each shard takes, so that every stream takes as many
_TOO_LARGE: Final = Rejected(DeadReason.TOO_LARGE, f"with its partition key it has more than {MAX_RECORD_BYTES} bytes")


class KinesisSink:
    """Writes to one stream."""

    def __init__(self, config: KinesisConfig, kinesis: Caller) -> None:
        self._config = config
        self._kinesis = kinesis
        self._pace = Pace(least=_OF_SHARD)
        self._turn = asyncio.Lock()

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Send one ``PutRecords`` with all events that are not too large for a record."""
        records = as_records(batch, self._config.partition_key)
        fitting = [record for record in records if not record.is_too_large]
        if not fitting:
            return [_TOO_LARGE] * len(batch)
        outcomes = iter(await self._put(put_records(self._config.arn, fitting), len(fitting)))
        return [_TOO_LARGE if record.is_too_large else next(outcomes) for record in records]

    async def probe(self) -> DeliveryOutcome:
        """List the stream's shards: shows that the role can be assumed and that the stream exists."""
        answer = await self._kinesis.call(_headers(LIST_SHARDS), list_shards(self._config.arn))
        match answer:
            case RetryLater():
                return answer
            case Refusal():
                return judge_probe(answer)
            case Answer():
                if is_shards(answer.body):
                    return Delivered(HTTPStatus.OK)
                return RetryLater(RetryReason.BAD_ANSWER, "its answer is not a ListShards response")

    async def aclose(self) -> None:
        await self._kinesis.aclose()

    async def _put(self, body: bytes, records: int) -> Sequence[DeliveryOutcome]:
        now_s = asyncio.get_running_loop().time
        async with self._turn:  # first come, first served; the last of eight waits five seconds at most
            while (wait_s := self._pace.wait_s(now_s=now_s())) > 0:  # noqa: ASYNC110 - the time may have been put off
                await asyncio.sleep(wait_s)
            began_s = now_s()
            self._pace.begin(records, now_s=began_s)
        answer = await self._kinesis.call(_headers(PUT_RECORDS), body)
        match answer:
            case RetryLater():
                return [answer] * records
            case Refusal():
                return [judge_refusal(answer, records=records)] * records
            case Answer():
                outcomes = judge_records(answer.body, records=records)
                throttled = throttled_of(outcomes)
                self._pace.learn(records=records, throttled=throttled, began_s=began_s, now_s=now_s())
                return outcomes


async def open_sink(config: KinesisConfig, context: SinkContext) -> KinesisSink:
    """Create the sink; it assumes its role at the first delivery."""
    kinesis = endpoint("kinesis", config.region, url_of("kinesis", config.region))
    return KinesisSink(config, caller(kinesis, config, context, allowed=allowed(config.arn), code_of=code_of))


def _headers(target: str) -> Mapping[str, str]:
    return {"Content-Type": CONTENT_TYPE, "X-Amz-Target": target}
