"""The Segment plugin keeps the contract of all sinks, towards a server that keeps to Segment's documented bounds."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from aiohttp import web
from typing_extensions import override

from eventstreams.sinks import OutboundEvent
from eventstreams.testing import Ability, Arrival, Destination, SinkContract
from eventstreams.testing.receiver import Answer, Received
from tests.support.segment import MAX_EVENT, Source, running_source

_ANSWERS_FOR_ALL = "one answer counts for the whole request"


class SegmentSource(Destination):
    """Takes what comes with its write key."""

    config: dict[str, object]
    secrets: Sequence[str]

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held = asyncio.Event()
        self._use(source.write_key)

    def _use(self, write_key: str) -> None:
        self._source.write_key = write_key
        self.secrets = [write_key]
        self.config = {"write_key": write_key, "endpoint": self._source.endpoint}

    @override
    async def arrived(self) -> Sequence[Arrival]:
        return [Arrival(str(call["messageId"]), _without_versions(call)) for call in self._source.calls]

    @override
    async def heal(self) -> None:
        self._source.answer = None
        self._source.receiver.answer = self._source.take
        self._held.set()

    @override
    def too_large(self) -> int:
        return MAX_EVENT

    @override
    async def go_down(self) -> None:
        self._source.answer = lambda: 503

    @override
    async def babble(self) -> None:
        self._source.answer = lambda: web.Response(status=777, reason="Lucky", body=b"\xff\x00" * 100_000)

    @override
    async def hang(self) -> asyncio.Event:
        reached, self._held = asyncio.Event(), asyncio.Event()

        async def hold(_: Received) -> Answer:
            reached.set()
            await self._held.wait()
            return 503

        self._source.receiver.answer = hold
        return reached

    @override
    async def rotate(self) -> None:
        self._use("another-write-key")


class TestSegment(SinkContract):
    sink_type = "segment"
    cannot: ClassVar[Mapping[Ability, str]] = {"refuse": _ANSWERS_FOR_ALL, "defer": _ANSWERS_FOR_ALL}

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with running_source() as source:
            yield SegmentSource(source)

    @override
    def expected(self, event: OutboundEvent) -> object:
        return {
            "type": "track",
            "event": event.type,
            "messageId": event.id,
            "timestamp": event.time,
            "properties": event.data,
            "anonymous": True,
            "source": event.source,
        }


def _without_versions(call: Mapping[str, object]) -> object:
    context = call["context"]
    assert isinstance(context, dict)
    kept = {name: value for name, value in call.items() if name not in {"context", "anonymousId"}}
    return {**kept, "anonymous": "anonymousId" in call, "source": context["cloudevent"]["source"]}
