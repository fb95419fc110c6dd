"""How often the router fetches: what comes alone at once, what comes little by little in portions."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import consumer, fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.protocol.fetch import FetchResponse_v4
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from router.faust_app import fetch_pace as pace
from router.faust_app.fetch_pace import PacedFetcher

TP = TopicPartition("es.events", 0)
FOR_EVER_S = 3600.0


class Broker:
    """Answers each fetch with the next record, and says how many ``wait`` in all; also the client's cluster."""

    _metadata_max_age_ms = 300_000

    def __init__(self, wait: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.cluster = self
        self.wait = wait
        self.asked: list[int] = []
        self.asked_again = asyncio.Event()

    def leader_for_partition(self, _: TopicPartition) -> int:
        return 1

    async def send(self, _: int, request: Any) -> FetchResponse_v4:
        [(topic, [(partition, offset, _)])] = request.topics
        self.asked.append(offset)
        if len(self.asked) > 1:
            self.asked_again.set()
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=False,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=1 << 20,
        )
        builder.append(0, 1, None, b"x", [])
        raw = bytearray(builder.build())
        raw[0:8] = offset.to_bytes(8, "big")
        return FetchResponse_v4(0, [(topic, [(partition, 0, offset + self.wait, offset + self.wait, [], bytes(raw))])])


@asynccontextmanager
async def fetching(broker: Broker) -> AsyncIterator[fetcher.Fetcher]:
    subscriptions = SubscriptionState()
    subscriptions.assign_from_user([TP])
    subscriptions.seek(TP, 0)
    made = PacedFetcher(broker, subscriptions)
    try:
        yield made
    finally:
        async with asyncio.timeout(30):
            await made.close()  # ends a pause, however long


async def fetch(made: fetcher.Fetcher) -> list[int]:
    found = await made.fetched_records([TP], timeout=30)
    return [record.offset for record in found[TP]]


async def turn(times: int = 20) -> None:
    """Let every task that can go on do so."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_what_comes_alone_is_handed_over_before_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_PAUSE_S", FOR_EVER_S)
    broker = Broker(wait=1)

    async with fetching(broker) as made:
        offsets = await fetch(made)
        await turn()

        assert offsets == [0]
        assert broker.asked == [0]


async def test_after_the_pause_the_next_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_PAUSE_S", 0.0)
    broker = Broker(wait=1)

    async with fetching(broker) as made:
        assert [await fetch(made), await fetch(made), await fetch(made)] == [[0], [1], [2]]


async def test_where_many_wait_the_next_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_PAUSE_S", FOR_EVER_S)
    broker = Broker(wait=100)

    async with fetching(broker) as made, asyncio.timeout(30):
        offsets = await fetch(made)
        await broker.asked_again.wait()

        assert offsets == [0]
        assert broker.asked[:2] == [0, 1]


def test_the_routers_client_fetches_so() -> None:
    importlib.import_module("router.faust_app.transport")
    assert consumer.Fetcher is PacedFetcher
