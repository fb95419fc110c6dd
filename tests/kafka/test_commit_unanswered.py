"""A commit of the exactly-once mode that is not answered: it may have counted or not, and nothing is copied twice."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from eventstreams.errors import FatalProducerError
from eventstreams.process import Process
from eventstreams.telemetry.logging import get_logger
from router.exactly_once.transactions import TRANSACTION_S
from router.role import route
from tests.kafka.test_killed_exactly_there import SETTLE_S, Routed
from tests.support.doomed import NAME
from tests.support.installation import Installation
from tests.support.kafka_gate import END_TXN, Gate, gated
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

SILENCE_S: Final = 12.0  # less than a transaction may take


class Silent(Gate):
    """Once it ``is_shut`` no end of a transaction is answered before it is ``open`` again, nor what follows it.

    Attributes:
        passes: Whether the broker gets it nevertheless, and it counts.
        held: How many were not answered.
    """

    watches = END_TXN

    def __init__(self, port: int, *, passes: bool = True) -> None:
        super().__init__(port)
        self.passes = passes
        self.is_shut = False
        self.open = asyncio.Event()
        self.held = 0

    @override
    async def asked(self, request: bytes) -> Sequence[bytes]:
        if not self.is_shut or self.passes:
            return [request]
        self.held += 1
        return []

    @override
    async def answered(self, request: bytes, answer: bytes) -> Sequence[bytes]:
        if self.is_shut:
            self.held += 1
            await self.open.wait()
        return [answer]


@pytest.mark.proof  # it waits for deadlines
@pytest.mark.parametrize("passes", [True, False], ids=["it counts", "it is lost"])
async def test_a_router_whose_commit_is_never_answered_ends_and_its_successor_copies_each_event_once(
    tmp_path: Path, *, passes: bool
) -> None:
    async with (
        gated(tmp_path, lambda port: Silent(port, passes=passes)) as (gate, through, beside),
        Installation(beside.model_copy(update={"exactly_once": True})) as installation,
    ):
        routed = Routed(installation)
        await routed.subscribe()
        router = Process(through.model_copy(update={"exactly_once": True, "instance": NAME}), get_logger("test"))
        routing = asyncio.ensure_future(route(router))
        await routed.publish(0)
        await routed.copied(0)
        gate.is_shut = True
        await routed.publish(1)
        await eventually(lambda: gate.held > 0, timeout_s=SETTLE_S)

        await eventually(router.stopping.is_set, timeout_s=SETTLE_S)
        await routing

        assert isinstance(router.crashed, FatalProducerError)
        assert f"Kafka did not say within {TRANSACTION_S:.0f} s whether a transaction" in str(router.crashed)
        copies = await routed.counted_by_the_successor(2)
        assert {*copies.values()} == {1}


async def test_a_router_whose_commit_is_answered_late_goes_on_and_copies_each_event_once(tmp_path: Path) -> None:
    async with (
        gated(tmp_path, Silent) as (gate, through, beside),
        Installation(beside.model_copy(update={"exactly_once": True})) as installation,
    ):
        routed = Routed(installation)
        await routed.subscribe()
        router = await installation.start(route, through.model_copy(update={"exactly_once": True, "instance": NAME}))
        await routed.publish(0)
        await routed.copied(0)
        gate.is_shut = True
        await routed.publish(1)
        await eventually(lambda: gate.held > 0, timeout_s=SETTLE_S)
        await asyncio.sleep(SILENCE_S)

        gate.is_shut = False
        gate.open.set()
        await routed.publish(2)
        copies = await routed.copied(2)

        assert router.crashed is None
        assert sum(copies.values()) == len(copies)
        assert copies.keys() >= {f"EZ{number}" for number in range(30)}
