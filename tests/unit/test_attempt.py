"""One attempt: whatever a plugin does, each event gets exactly one outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
)
from sink_workers.attempt import attempt, outcome_label

Deliver = Callable[[Sequence[OutboundEvent]], Awaitable[Sequence[DeliveryOutcome]]]


class FakeSink:
    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        return await self._deliver(batch)

    async def probe(self) -> DeliveryOutcome:
        return Delivered()

    async def aclose(self) -> None: ...


def events(count: int) -> list[OutboundEvent]:
    return [
        OutboundEvent(
            id=f"EZ{n}",
            type="t",
            source="/s",
            time="2026-01-01T00:00:00.000Z",
            dataschema="d",
            account_sid="AC",
            data={},
        )
        for n in range(count)
    ]


async def test_outcomes_come_back_as_they_are_in_order() -> None:
    outcomes: list[DeliveryOutcome] = [Delivered(), Rejected(DeadReason.REFUSED), RetryLater(RetryReason.THROTTLED)]

    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        return outcomes

    assert await attempt(FakeSink(deliver), events(3), timeout_s=1) == outcomes


async def test_a_plugin_whose_own_task_was_cancelled_has_raised() -> None:
    own: asyncio.Future[Sequence[DeliveryOutcome]] = asyncio.get_running_loop().create_future()
    own.cancel()

    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        return await own

    assert await attempt(FakeSink(deliver), events(1), timeout_s=1) == [
        RetryLater(RetryReason.PLUGIN_RAISED, "CancelledError")
    ]


async def test_a_plugin_that_raises_never_loses_or_dead_letters_events() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        raise RuntimeError("secret in the text")

    outcomes = await attempt(FakeSink(deliver), events(2), timeout_s=1)

    assert outcomes == [RetryLater(RetryReason.PLUGIN_RAISED, "RuntimeError")] * 2


async def test_a_plugin_that_hangs_is_cut_off_and_its_events_are_tried_again() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        await asyncio.Event().wait()
        raise AssertionError

    outcomes = await attempt(FakeSink(deliver), events(1), timeout_s=0.01)

    assert outcomes == [RetryLater(RetryReason.PLUGIN_HUNG, "no outcome within 0.01 s")]


@pytest.mark.parametrize(
    "returned",
    [
        [],
        [Delivered()],
        [Delivered()] * 3,
        None,
        [Delivered(), None],
        [Delivered(), True],
        [Delivered(), Delivered("200 OK")],  # type: ignore[arg-type]  # that is the point
        [Delivered(), RetryLater("slow")],  # type: ignore[arg-type]  # that is the point
        [Delivered(), Rejected("no")],  # type: ignore[arg-type]  # that is the point
        [Delivered(), RetryLater(RetryReason.TIMED_OUT, not_before=5)],  # type: ignore[arg-type]  # that is the point
        [Delivered(), Rejected(DeadReason.REFUSED, detail=b"no")],  # type: ignore[arg-type]  # that is the point
    ],
    ids=[
        "none",
        "too few",
        "too many",
        "no sequence",
        "a hole",
        "a strange one",
        "a status that is no number",
        "a retry reason of its own",
        "a dead reason of its own",
        "a time that is none",
        "a detail that is no text",
    ],
)
async def test_a_plugin_that_miscounts_says_nothing_about_the_events(returned: object) -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        return returned  # type: ignore[return-value]  # that is the point

    outcomes = await attempt(FakeSink(deliver), events(2), timeout_s=1)

    assert [type(outcome) for outcome in outcomes] == [RetryLater, RetryLater]
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, RetryLater)} == {
        RetryReason.PLUGIN_MISCOUNTED
    }


async def test_cancellation_reaches_the_worker() -> None:
    started = asyncio.Event()

    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    attempting = asyncio.create_task(attempt(FakeSink(deliver), events(1), timeout_s=10))
    await started.wait()
    attempting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await attempting


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (Delivered(), ("delivered", "")),
        (RetryLater(RetryReason.TIMED_OUT), ("retry_later", "timed_out")),
        (Rejected(DeadReason.TOO_LARGE), ("rejected", "too_large")),
    ],
)
def test_outcomes_have_labels_of_a_closed_set(outcome: DeliveryOutcome, label: tuple[str, str]) -> None:
    assert outcome_label(outcome) == label
