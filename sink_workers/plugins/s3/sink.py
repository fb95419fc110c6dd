"""The S3 sink: a batch becomes an object for each day and type in it, and an event's outcome is that of its object."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from eventstreams.sinks import DeliveryOutcome, OutboundEvent, RetryLater, RetryReason, SinkContext
from sink_workers.plugins.aws.access import url_of
from sink_workers.plugins.aws.caller import Caller, caller
from sink_workers.plugins.aws.signing import Endpoint, endpoint
from sink_workers.plugins.s3.config import S3Config
from sink_workers.plugins.s3.judge import code_of, judge, judge_probe
from sink_workers.plugins.s3.objects import StoredObject, pack_all

BATCH_S: Final = 60.0  # for all objects of a batch; those stored by then are delivered, the others are tried again
_SIDE_BY_SIDE: Final = 16  # concurrent uploads of one batch; with three batches fewer than the client's connections
_PACKERS: Final = 2  # threads of a sink: while one has released the GIL to compress, the other encodes
_NO_TIME: Final = RetryLater(RetryReason.TIMED_OUT, f"its object was not stored within {BATCH_S:g} s")
_NO_SCHEMA: Final = RetryLater(RetryReason.SINK_UNUSABLE, "the Avro schema of its data is not known")


class S3Sink:
    """Writes to one bucket. Buffers nothing: events that are not stored remain with the worker."""

    def __init__(self, config: S3Config, s3: Caller, *, now: Callable[[], datetime]) -> None:
        """``now``: the current time, timezone-aware, from which ``retain_days`` are counted."""
        self._config = config
        self._s3 = s3
        self._now = now
        # Not the loop's default threads: these may all be waiting for a name server that does not answer.
        self._packers = ThreadPoolExecutor(_PACKERS, thread_name_prefix="s3-packer")

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Store an object for each partition of ``batch``."""
        outcomes: list[DeliveryOutcome] = [_NO_TIME] * len(batch)
        room = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def store(packed: StoredObject | None, positions: Sequence[int]) -> None:
            async with room:
                outcome = _NO_SCHEMA if packed is None else await self._store(packed)
            for position in positions:
                outcomes[position] = outcome

        async def pack() -> None:
            loop = asyncio.get_running_loop()
            for packed, positions in await loop.run_in_executor(self._packers, pack_all, self._config, batch):
                storing.create_task(store(packed, positions))

        with suppress(TimeoutError):
            async with asyncio.timeout(BATCH_S), asyncio.TaskGroup() as storing:
                storing.create_task(pack())  # cancelled if the sink is closed meanwhile
        return outcomes

    async def probe(self) -> DeliveryOutcome:
        """List zero objects of the bucket, which shows that it exists and that the key is accepted."""
        prefix = quote(self._config.folder, safe="")
        query = f"list-type=2&max-keys=0&prefix={prefix}"
        return judge_probe(await self._s3.call({}, b"", method="GET", path=f"{self._config.bucket}?{query}"))

    async def aclose(self) -> None:
        self._packers.shutdown(wait=False, cancel_futures=True)  # threads that are packing finish their batch
        await self._s3.aclose()

    async def _store(self, packed: StoredObject) -> DeliveryOutcome:
        path = f"{self._config.bucket}/{quote(packed.key, safe='/~')}"
        headers = self._headers(packed)
        return judge(await self._s3.call(headers, packed.body, method="PUT", path=path, payload=packed.sha256))

    def _headers(self, packed: StoredObject) -> Mapping[str, str]:
        headers = {"Content-Type": packed.content_type, "Content-MD5": packed.md5}
        if self._config.lock_mode is not None and self._config.retain_days is not None:
            until = self._now() + timedelta(days=self._config.retain_days)
            headers["x-amz-object-lock-mode"] = self._config.lock_mode.upper()
            headers["x-amz-object-lock-retain-until-date"] = f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return headers


async def open_sink(config: S3Config, context: SinkContext) -> S3Sink:
    """Create the sink; it assumes its role at the first delivery."""
    s3 = caller(_service(config), config, context, allowed=config.allowed, code_of=code_of)
    return S3Sink(config, s3, now=lambda: datetime.now(UTC))


def _service(config: S3Config) -> Endpoint:
    if config.endpoint is None:
        return endpoint("s3", config.region, url_of("s3", config.region))
    return Endpoint("s3", config.region, f"{config.endpoint.rstrip('/')}/", is_operators=False)
