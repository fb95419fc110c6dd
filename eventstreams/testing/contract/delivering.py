"""Tests of deliveries to a destination that is well, or that refuses single events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from eventstreams.reasons import DeadReason
from eventstreams.sinks import Delivered, DeliveryOutcome, OutboundEvent, Rejected, RetryLater
from eventstreams.testing.contract.checks import must
from eventstreams.testing.contract.rig import Rig
from eventstreams.testing.contract.suite import ContractSuite, contract

_FEW: Final = 5  # events of a batch in which each position is tried
_MANY: Final = 64
_SIDE_BY_SIDE: Final = 16

_Pick = Callable[[Sequence[str]], Awaitable[None]]


class DeliveringContract(ContractSuite):
    """The part of the contract about deliveries that end with a clear answer."""

    @contract()
    async def test_each_event_arrives_once_as_it_is(self, rig: Rig) -> None:
        events = [self.event(number) for number in range(12)]

        await rig.deliver_all(await rig.open(), events)

        await rig.has_once(events)

    @contract()
    async def test_a_batch_of_any_size_gets_an_outcome_for_each_event(self, rig: Rig) -> None:
        sink, most = await rig.open(), rig.capabilities.max_batch_events
        first = 0

        for size in sorted({1, min(2, most), min(most, _MANY)}):
            await rig.deliver_all(sink, [self.event(first + number) for number in range(size)])
            first += size

        await rig.has_once([self.event(number) for number in range(first)])

    @contract()
    async def test_an_event_looks_the_same_at_each_attempt(self, rig: Rig) -> None:
        sink = await rig.open()

        for attempt in (1, 2, 3):
            await rig.deliver_all(sink, [self.event(1, attempt=attempt)])

        copies = (await rig.contents())[self.event(1).id]
        must(
            all(copy == self.expected(self.event(1)) for copy in copies),
            f"an event that is delivered again must look the same as before, but there are {copies!r}",
        )

    @contract()
    async def test_deliveries_run_side_by_side(self, rig: Rig) -> None:
        sink = await rig.open()
        count = min(rig.capabilities.max_in_flight, _SIDE_BY_SIDE)
        events = [self.event(number) for number in range(3 * count)]

        await asyncio.gather(*(rig.deliver_all(sink, events[first::count]) for first in range(count)))

        await rig.has_once(events)

    @contract("refuse")
    async def test_a_refused_event_is_rejected_and_its_neighbours_arrive(self, rig: Rig) -> None:
        await self._picks(
            rig,
            rig.destination.refuse,
            lambda outcome: isinstance(outcome, Rejected),
            "was refused permanently: that is Rejected",
        )

    @contract("defer")
    async def test_an_event_that_fails_for_now_is_tried_again_and_its_neighbours_arrive(self, rig: Rig) -> None:
        await self._picks(
            rig,
            rig.destination.defer,
            lambda outcome: isinstance(outcome, RetryLater),
            "failed for now: that is RetryLater",
        )

    @contract("too_large")
    async def test_an_event_that_is_too_large_is_rejected_alone(self, rig: Rig) -> None:
        sink, limit = await rig.open(), rig.destination.too_large()
        events = [self.event(1), self.event(2, size=limit), self.event(3)]
        together = rig.capabilities.max_batch_events >= len(events)

        # In one batch if the number allows it, since the worker counts bytes before a sink adds its own.
        outcomes = [
            outcome
            for batch in ([events] if together else [[event] for event in events])
            for outcome in await rig.deliver(sink, batch)
        ]

        must(
            isinstance(outcomes[1], Rejected) and outcomes[1].reason is DeadReason.TOO_LARGE,
            f"an event of {limit} bytes is too large: that is Rejected with TOO_LARGE, not {outcomes[1]!r}",
        )
        must(
            [isinstance(outcome, Delivered) for outcome in outcomes] == [True, False, True],
            f"its neighbours are not too large, but the outcomes are {outcomes!r}",
        )
        await rig.has_once([events[0], events[2]])

    async def _picks(self, rig: Rig, pick: _Pick, fits: Callable[[DeliveryOutcome], bool], otherwise: str) -> None:
        """Have the destination refuse some events of a batch, at each position in turn, and check every outcome."""
        sink = await rig.open()
        size = min(rig.capabilities.max_batch_events, _FEW)
        positions = [{each} for each in range(size)] + ([{0, size - 1}, set(range(size))] if size > 1 else [])
        taken: list[OutboundEvent] = []
        for case, picked in enumerate(positions):
            await rig.destination.heal()
            batch = [self.event(case * _FEW + number) for number in range(size)]
            await pick([batch[each].id for each in picked])
            outcomes = await rig.deliver(sink, batch)
            for position, (event, outcome) in enumerate(zip(batch, outcomes, strict=True)):
                if position not in picked:
                    must(isinstance(outcome, Delivered), f"{event.id} was taken, but its outcome is {outcome!r}")
                    taken.append(event)
                else:
                    must(fits(outcome), f"{event.id}, at position {position} of {size}, {otherwise}, not {outcome!r}")
        await rig.has_once(taken)
