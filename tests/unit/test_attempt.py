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
from eventstreams.time_limits import Watch
from sink_workers.delivery.attempt import attempt, outcome_label

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

    assert await attempt(FakeSink(deliver), events(3), timeout_s=1, watch=Watch()) == outcomes


async def test_a_plugin_whose_own_task_was_cancelled_has_raised() -> None:
    own: asyncio.Future[Sequence[DeliveryOutcome]] = asyncio.get_running_loop().create_future()
    own.cancel()

    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        return await own

    assert await attempt(FakeSink(deliver), events(1), timeout_s=1, watch=Watch()) == [
        RetryLater(RetryReason.PLUGIN_RAISED, "CancelledError")
    ]


async def test_a_plugin_that_raises_never_loses_or_dead_letters_events() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        raise RuntimeError("secret in the text")

    outcomes = await attempt(FakeSink(deliver), events(2), timeout_s=1, watch=Watch())

    assert outcomes == [RetryLater(RetryReason.PLUGIN_RAISED, "RuntimeError")] * 2


class PanicError(BaseException):
    """What libraries in Rust raise where they are broken; no ``Exception``."""


@pytest.mark.parametrize("raised", [SystemExit("bye"), PanicError()], ids=lambda each: type(each).__name__)
async def test_a_plugin_that_wants_the_process_to_end_only_fails(raised: BaseException) -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        raise raised

    outcomes = await attempt(FakeSink(deliver), events(1), timeout_s=1, watch=Watch())

    assert outcomes == [RetryLater(RetryReason.PLUGIN_RAISED, type(raised).__name__)]


async def test_a_plugin_that_swallows_its_cancellation_is_let_go_of() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async with asyncio.timeout(30):
        outcomes = await attempt(FakeSink(deliver), events(2), timeout_s=0.01, grace_s=0.01, watch=Watch())

    assert outcomes == [RetryLater(RetryReason.PLUGIN_HUNG, "no outcome within 0.01 s")] * 2


async def test_a_plugin_that_hangs_is_cut_off_and_its_events_are_tried_again() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        await asyncio.Event().wait()
        raise AssertionError

    outcomes = await attempt(FakeSink(deliver), events(1), timeout_s=0.01, watch=Watch())

    assert outcomes == [RetryLater(RetryReason.PLUGIN_HUNG, "no outcome within 0.01 s")]


async def test_of_attempts_with_limits_of_their_own_each_is_cut_off_at_its_own() -> None:
    watch, go_on = Watch(), asyncio.Event()

    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        await go_on.wait()
        return [Delivered()]

    patient = asyncio.create_task(attempt(FakeSink(deliver), events(1), timeout_s=60, watch=watch))
    await asyncio.sleep(0)
    hung = [await attempt(FakeSink(deliver), events(1), timeout_s=timeout_s, watch=watch) for timeout_s in (0.02, 0.01)]
    go_on.set()

    assert hung == [
        [RetryLater(RetryReason.PLUGIN_HUNG, "no outcome within 0.02 s")],
        [RetryLater(RetryReason.PLUGIN_HUNG, "no outcome within 0.01 s")],
    ]
    assert await patient == [Delivered()]


async def test_who_was_cut_off_is_not_taken_for_cancelled_and_can_be_cut_off_again() -> None:
    watch = Watch()

    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.current_task()
    assert task is not None
    for _ in range(2):
        [outcome] = await attempt(FakeSink(deliver), events(1), timeout_s=0.01, watch=watch)
        assert isinstance(outcome, RetryLater)
        assert outcome.reason is RetryReason.PLUGIN_HUNG
        assert task.cancelling() == 0


async def test_who_is_cancelled_as_he_is_cut_off_ends() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            attempting.cancel()
            raise
        raise AssertionError

    attempting = asyncio.create_task(attempt(FakeSink(deliver), events(1), timeout_s=0.01, watch=Watch()))

    with pytest.raises(asyncio.CancelledError):
        await attempting


async def test_a_plugin_that_says_something_else_as_it_is_cut_off_has_hung_all_the_same() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionAbortedError from None
        raise AssertionError

    outcomes = await attempt(FakeSink(deliver), events(1), timeout_s=0.01, watch=Watch())

    assert outcomes == [RetryLater(RetryReason.PLUGIN_HUNG, "no outcome within 0.01 s")]


async def test_a_time_limit_of_the_plugin_s_own_is_an_error_of_the_plugin() -> None:
    async def deliver(_: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        raise TimeoutError

    outcomes = await attempt(FakeSink(deliver), events(1), timeout_s=1, watch=Watch())

    assert outcomes == [RetryLater(RetryReason.PLUGIN_RAISED, "TimeoutError")]


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

    outcomes = await attempt(FakeSink(deliver), events(2), timeout_s=1, watch=Watch())

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

    attempting = asyncio.create_task(attempt(FakeSink(deliver), events(1), timeout_s=10, watch=Watch()))
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
