"""Tests of what a sink does when its destination fails, or when the worker cancels or closes it."""

import asyncio
from typing import Final

from eventstreams.sinks import (
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    OutboundEvent,
    Rejected,
    RetryLater,
    Sink,
)
from eventstreams.testing.contract.checks import check_outcome, must
from eventstreams.testing.contract.destination import offers
from eventstreams.testing.contract.rig import ANYWHERE, NOWHERE, Delivering, Rig
from eventstreams.testing.contract.suite import ContractSuite, contract

_HANGING: Final = 4  # concurrent deliveries that hang
_TURNS: Final = (0, 1, 2, 3, 5, 8, 13, 21, 34)  # iterations of the event loop before a delivery is cancelled


class FailingContract(ContractSuite):
    """The part of the contract about deliveries that do not end well."""

    @contract("go_down")
    async def test_events_wait_while_the_destination_is_down_and_arrive_afterwards(self, rig: Rig) -> None:
        sink = await rig.open()
        await rig.deliver_all(sink, [self.event(1)])

        await rig.destination.go_down()
        await _keeps(rig, sink, [self.event(2)])
        late = await _open_if_possible(rig)
        if late is not None:
            await _keeps(rig, late, [self.event(3)])

        await rig.destination.heal()
        await rig.deliver_all(sink, [self.event(2)])
        await rig.deliver_all(late or await rig.open(), [self.event(3)])

    @contract()
    async def test_nothing_is_sent_to_an_address_that_the_guard_forbids(self, rig: Rig) -> None:
        sink, batch = await _open_if_possible(rig, guard=NOWHERE), [self.event(1)]
        outcomes = None if sink is None else await rig.attempt(sink, batch)

        must(
            not await rig.contents(),
            "the guard forbids every address, and the destination has an event: connect with open_connection or "
            "open_guarded, which use it, or state why it need not be used: unguarded = 'the reason'",
        )
        for outcome in outcomes or ():
            must(
                isinstance(outcome, RetryLater), f"an address may be allowed later: that is RetryLater, not {outcome!r}"
            )
        if sink is not None:
            await _probe_is_not_fooled(rig, sink)

    @contract("babble")
    async def test_an_answer_without_sense_says_nothing_about_the_events(self, rig: Rig) -> None:
        sink = await rig.open()
        await rig.destination.babble()

        await _keeps(rig, sink, [self.event(number) for number in range(min(rig.capabilities.max_batch_events, 3))])

        await rig.destination.heal()
        await rig.deliver_all(sink, [self.event(9)])

    @contract("hang")
    async def test_a_destination_that_hangs_holds_up_no_later_delivery(self, rig: Rig) -> None:
        sink = await rig.open()
        await rig.destination.hang()
        count = min(rig.capabilities.max_in_flight, _HANGING)

        await asyncio.gather(
            _probe_is_not_fooled(rig, sink), *(_keeps(rig, sink, [self.event(each)]) for each in range(count))
        )

        await rig.destination.heal()
        await rig.deliver_all(sink, [self.event(number) for number in range(100, 103)])

    @contract()
    async def test_a_delivery_that_is_cancelled_at_any_moment_leaves_the_sink_usable(self, rig: Rig) -> None:
        sink = await rig.open()

        for number, turns in enumerate(_TURNS):
            batch = [self.event(2 * number)]
            delivering = rig.begin(sink, batch)
            for _ in range(turns):
                await asyncio.sleep(0)
            await rig.cancel(delivering, batch)
            await rig.deliver_all(sink, [self.event(2 * number + 1)])

    @contract("hang")
    async def test_a_delivery_that_is_cancelled_in_the_middle_leaves_no_answer_behind(self, rig: Rig) -> None:
        sink, batch = await rig.open(), [self.event(1)]
        reached = await rig.destination.hang()
        delivering = rig.begin(sink, batch)
        await rig.in_time(reached.wait(), "the delivery does not reach the destination")

        await rig.cancel(delivering, batch)

        must(delivering.cancelled(), "deliver() was cancelled and returned outcomes: let CancelledError through")
        await rig.destination.heal()
        if offers(rig.destination, "refuse"):  # an answer to the cancelled delivery must not be taken for this one's
            await rig.destination.refuse([self.event(2).id])
            (outcome,) = await rig.deliver(sink, [self.event(2)])
            must(isinstance(outcome, Rejected), f"an event was refused after a cancellation, but it is {outcome!r}")
        await rig.deliver_all(sink, [self.event(3)])

    @contract()
    async def test_closing_once_more_or_while_delivering_does_no_harm(self, rig: Rig) -> None:
        sink, batch = await rig.open(), [self.event(1)]
        await rig.deliver_all(sink, [self.event(0)])

        delivering = rig.begin(sink, batch)
        await asyncio.sleep(0)
        await asyncio.gather(*(rig.close(sink) for _ in range(2)))
        await _ends_truly(rig, delivering, batch)

        await rig.close(sink, " once more")
        await rig.close(await rig.open(), " of a sink that never delivered")

    @contract("hang")
    async def test_closing_ends_what_hangs(self, rig: Rig) -> None:
        sink, batch = await rig.open(), [self.event(1)]
        reached = await rig.destination.hang()
        delivering = rig.begin(sink, batch)
        await rig.in_time(reached.wait(), "the delivery does not reach the destination")

        await rig.close(sink, " during a delivery that hangs")

        await _ends_truly(rig, delivering, batch)

    @contract("rotate")
    async def test_new_credentials_are_used_by_the_next_delivery_and_old_ones_by_none(self, rig: Rig) -> None:
        before = await rig.open()
        await rig.deliver_all(before, [self.event(1)])

        await rig.destination.rotate()
        outcomes = await rig.attempt(before, [self.event(2)])
        after = await rig.open()  # as a worker does as soon as configuration or tokens have changed
        await asyncio.gather(rig.deliver_all(after, [self.event(3)]), rig.close(before))
        await rig.deliver_all(after, [self.event(4)])

        must(
            not any(isinstance(outcome, Delivered) for outcome in outcomes or ()),
            "Delivered was returned for an event that was sent with old credentials",
        )
        await rig.has_once(self.event(number) for number in (1, 3, 4))

    @contract()
    async def test_the_probe_says_that_the_destination_takes_events(self, rig: Rig) -> None:
        outcome = await (await rig.open()).probe()

        must(isinstance(outcome, Delivered), f"the destination takes everything, but the probe says {outcome!r}")

    @contract("go_down")
    async def test_the_probe_says_when_the_destination_takes_nothing_and_when_it_does_again(self, rig: Rig) -> None:
        sink = await rig.open()

        await rig.destination.go_down()
        await _probe_is_not_fooled(rig, sink)

        await rig.destination.heal()
        outcome = await sink.probe()
        must(isinstance(outcome, Delivered), f"the destination works again, but the probe says {outcome!r}")


async def _keeps(rig: Rig, sink: Sink, batch: list[OutboundEvent]) -> None:
    """Deliver ``batch`` to a destination that cannot accept it: every event must be retried."""
    outcomes = await rig.attempt(sink, batch)
    for outcome in outcomes or ():
        must(
            isinstance(outcome, RetryLater),
            f"the destination said nothing about the events: that is RetryLater, not {outcome!r}",
        )


async def _open_if_possible(rig: Rig, *, guard: DestinationGuard = ANYWHERE) -> Sink | None:
    """A sink, or None if ``open`` raises: then events wait too, and the worker logs the error."""
    try:
        return await rig.open(guard=guard)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        rig.watch.saw_error("the error that open() raised", error)
        return None


async def _ends_truly(rig: Rig, delivering: Delivering, batch: list[OutboundEvent]) -> None:
    """Check that a delivery whose sink was closed ends. Events that it calls delivered must have arrived."""
    done, _ = await asyncio.wait({delivering}, timeout=rig.capabilities.timeout_s)
    if not done:
        await rig.cancel(delivering, batch)
    elif (error := delivering.exception()) is not None:
        rig.watch.saw_error("the error that deliver() raised when its sink was closed", error)
    else:
        outcomes = zip(batch, delivering.result(), strict=True)
        await rig.wait_for(event for event, outcome in outcomes if isinstance(outcome, Delivered))


async def _probe_is_not_fooled(rig: Rig, sink: Sink) -> None:
    """Check that the probe does not succeed while the destination accepts nothing."""
    probing = asyncio.create_task(_probe(sink))
    done, _ = await asyncio.wait({probing}, timeout=rig.capabilities.timeout_s)
    if not done:
        await rig.stop(probing, "probe()")
        return
    outcome = probing.result()
    check_outcome(outcome)
    rig.watch.saw("the outcome of a probe", repr(outcome))
    must(not isinstance(outcome, Delivered), "the destination takes nothing, but the probe says Delivered")


async def _probe(sink: Sink) -> DeliveryOutcome:
    return await sink.probe()
