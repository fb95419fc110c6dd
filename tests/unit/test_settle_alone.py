"""Records that are sent in batches of their own, by a producer that is there only meanwhile."""

import asyncio
from types import TracebackType
from typing import Self

import pytest
from typing_extensions import override

from eventstreams.headers import Headers
from eventstreams.kafka.producer import Acked, AckedProducer, NotAcked
from sink_workers.delivery.alone import Alone


class Producer(AckedProducer):
    """Answers when it is told to."""

    def __init__(self) -> None:
        # Not super().__init__(): that would be a client of Kafka.
        self.sent: list[bytes | None] = []
        self.answers = asyncio.Semaphore(0)
        self.is_closed = False

    @override
    async def __aenter__(self) -> Self:
        return self

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_closed = True

    @override
    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int = -1,
    ) -> Acked | NotAcked:
        self.sent.append(value)
        await self.answers.acquire()
        return Acked(0, len(self.sent), 0)


class Rig:
    def __init__(self) -> None:
        self.producers: list[Producer] = []
        self.alone = Alone(self._make)

    def _make(self) -> Producer:
        self.producers.append(Producer())
        return self.producers[-1]

    def send(self, value: bytes) -> "asyncio.Task[Acked | NotAcked]":
        return asyncio.create_task(self.alone.send("topic", value, key=None, headers=(), partition=0))


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_next_one_is_sent_when_the_one_before_is_answered(rig: Rig) -> None:
    sends = [rig.send(b"1"), rig.send(b"2")]
    await turn()
    [producer] = rig.producers
    assert producer.sent == [b"1"]

    producer.answers.release()
    await turn()
    assert producer.sent == [b"1", b"2"]

    producer.answers.release()
    assert await asyncio.gather(*sends) == [Acked(0, 1, 0), Acked(0, 2, 0)]


async def test_the_producer_is_closed_after_the_last_and_there_is_another_for_who_comes_then(rig: Rig) -> None:
    first = rig.send(b"1")
    await turn()
    assert [each.is_closed for each in rig.producers] == [False]
    rig.producers[0].answers.release()
    await first
    assert [each.is_closed for each in rig.producers] == [True]

    second = rig.send(b"2")
    await turn()
    rig.producers[1].answers.release()
    await second
    assert [each.sent for each in rig.producers] == [[b"1"], [b"2"]]
    assert rig.producers[1].is_closed


async def test_who_gives_up_holds_up_nobody(rig: Rig) -> None:
    given_up, waits = rig.send(b"1"), rig.send(b"2")
    await turn()
    given_up.cancel()
    await turn()

    [producer] = rig.producers
    assert producer.sent == [b"1", b"2"]
    waits.cancel()
    await turn()
    assert producer.is_closed
