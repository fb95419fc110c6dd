"""The Kinesis sink: records put, and each judged by its own entry in the answer."""

from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_network
from typing import Final

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    SinkContext,
)
from sink_workers.plugins.kinesis.aws import AccessKey, Endpoint, endpoint
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.kinesis.judge import (
    Refusal,
    code_of,
    is_shards,
    judge_probe,
    judge_records,
    judge_refusal,
)
from sink_workers.plugins.kinesis.request import (
    CONTENT_TYPE,
    LIST_SHARDS,
    MAX_RECORD_BYTES,
    PUT_RECORDS,
    as_records,
    list_shards,
    put_records,
)
from sink_workers.plugins.kinesis.role import GivenKey, Keys, RoleKeys
from sink_workers.plugins.webhook.answer import excerpt
from sink_workers.plugins.webhook.client import Answer, HttpClient

TIMEOUT_S: Final = 10.0  # 5 MB through a line of 10 Mbit/s take half of that
_ANSWER_BYTES: Final = 1 << 20  # 500 entries have 60 KB, and 200 KB where each is an error with its message
_ANYWHERE: Final = DestinationGuard((ip_network("0.0.0.0/0"), ip_network("::/0")))
_TOO_LARGE: Final = Rejected(DeadReason.TOO_LARGE, f"with its partition key it has more than {MAX_RECORD_BYTES} bytes")


class KinesisSink:
    """Writes to one stream."""

    def __init__(
        self, config: KinesisConfig, kinesis: Endpoint, client: HttpClient, keys: Keys, *, user_agent: str
    ) -> None:
        self._config = config
        self._kinesis = kinesis
        self._client = client
        self._keys = keys
        self._user_agent = user_agent

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """One ``PutRecords`` for all that fit into a record."""
        records = as_records(batch, self._config.partition_key)
        fitting = [record for record in records if not record.is_too_large]
        if not fitting:
            return [_TOO_LARGE] * len(batch)
        outcomes = iter(await self._put(put_records(self._config.arn, fitting), len(fitting)))
        return [_TOO_LARGE if record.is_too_large else next(outcomes) for record in records]

    async def probe(self) -> DeliveryOutcome:
        """Look the stream's shards up: shows that the role can be assumed, and that the stream is there."""
        answer = await self._call(LIST_SHARDS, list_shards(self._config.arn))
        match answer:
            case RetryLater():
                return answer
            case Refusal():
                return judge_probe(answer)
            case bytes():
                if is_shards(answer):
                    return Delivered(HTTPStatus.OK)
                return RetryLater(RetryReason.BAD_ANSWER, "its answer is none to ListShards")

    async def aclose(self) -> None:
        await self._keys.aclose()
        await self._client.aclose()

    async def _put(self, body: bytes, records: int) -> Sequence[DeliveryOutcome]:
        answer = await self._call(PUT_RECORDS, body)
        match answer:
            case RetryLater():
                return [answer] * records
            case Refusal():
                return [judge_refusal(answer, records=records)] * records
            case bytes():
                return judge_records(answer, records=records)

    async def _call(self, target: str, body: bytes) -> bytes | Refusal | RetryLater:
        """The body of the answer, or why there is none; with another key where the first is not let in any more."""
        key = await self._keys.key()
        if isinstance(key, RetryLater):
            return key
        answer = await self._exchange(target, body, key)
        if not isinstance(answer, Refusal) or not answer.is_about_the_key:
            return answer
        other = await self._keys.key(refused=key)
        if isinstance(other, RetryLater):
            return other
        return answer if other == key else await self._exchange(target, body, other)

    async def _exchange(self, target: str, body: bytes, key: AccessKey) -> bytes | Refusal | RetryLater:
        headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": target, "User-Agent": self._user_agent}
        answer: Answer | RetryLater = await self._client.exchange(self._kinesis.signed(key, headers, body))
        if isinstance(answer, RetryLater):
            return answer
        if answer.status == HTTPStatus.OK:
            return answer.body
        return Refusal(answer.status, code_of(answer.body), excerpt(answer.body[:4096], key.secrets))


async def open_sink(config: KinesisConfig, context: SinkContext) -> KinesisSink:
    """The sink; it assumes its role when it has something to deliver."""
    kinesis = endpoint("kinesis", config.region, config.url("kinesis"))
    keys = _keys(config, context)
    return KinesisSink(config, kinesis, _client(kinesis, context), keys, user_agent=context.user_agent)


def _keys(config: KinesisConfig, context: SinkContext) -> Keys:
    if config.access_key_id is not None and config.secret_access_key is not None:
        return GivenKey(AccessKey(config.access_key_id, config.secret_access_key.get_secret_value()))
    sts = endpoint("sts", config.region, config.url("sts"))
    return RoleKeys(config, _client(sts, context), sts, session=context.sink_sid, user_agent=context.user_agent)


def _client(service: Endpoint, context: SinkContext) -> HttpClient:
    """Subscribers name a region, never an address; still, what AWS' names resolve to must be public."""
    guard = _ANYWHERE if service.is_operators else context.guard
    return HttpClient(guard, timeout_s=TIMEOUT_S, body_bytes=_ANSWER_BYTES, body_s=TIMEOUT_S)
