"""A sink on a thread of its own: what is said where the address that it wanted is forbidden, and where it is closed."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import TypeVar, cast

import pytest
from typing_extensions import override

from eventstreams.sinks import (
    Delivered,
    DeliveryOutcome,
    DestinationForbiddenError,
    DestinationGuard,
    GuardedSink,
    GuardedThread,
    OutboundEvent,
    RetryLater,
    RetryReason,
    open_guarded,
)
from eventstreams.sinks.guarded import UNREACHED
from tests.support.webhooks import context, event

Result = TypeVar("Result")


class Thread:
    """Runs what it gets on the test's own loop. Its newest connection was to an address that is forbidden."""

    def __init__(self) -> None:
        self.forbidden = DestinationForbiddenError(DestinationForbiddenError.ERRNO, "10.0.0.1 is not public")

    async def run(self, work: Coroutine[object, object, Result]) -> Result:
        return await work


class Silent:
    """A destination that does not answer; before it does not, it may name another address."""

    def __init__(self, thread: Thread, *, moves: bool) -> None:
        self._thread = thread
        self._moves = moves

    async def probe(self) -> DeliveryOutcome:
        return Delivered()

    async def aclose(self) -> None:
        """Nothing is open."""

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        if self._moves:
            self._thread.forbidden = DestinationForbiddenError(
                DestinationForbiddenError.ERRNO, "10.0.0.2 is not public"
            )
        return [RetryLater(RetryReason.TIMED_OUT)] * len(batch)


@pytest.mark.parametrize(
    ("moves", "reason"),
    [(False, RetryReason.TIMED_OUT), (True, RetryReason.DESTINATION_FORBIDDEN)],
    ids=["before", "meanwhile"],
)
async def test_only_an_address_that_was_forbidden_meanwhile_is_why_nobody_answers(
    moves: bool,  # noqa: FBT001 - a table
    reason: RetryReason,
) -> None:
    thread = Thread()
    sink = GuardedSink(cast(GuardedThread, thread), Silent(thread, moves=moves), unreached=UNREACHED)

    [outcome] = await sink.deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is reason


async def test_a_sink_that_is_closed_says_so_of_each_event() -> None:
    sink = await open_guarded(lambda: Silent(Thread(), moves=False), context(DestinationGuard()))
    await sink.aclose()

    closed = RetryLater(RetryReason.SINK_UNUSABLE, "the sink is closed")
    assert [*await sink.deliver([event(1), event(2)]), await sink.probe()] == [closed] * 3


class Stubborn(Silent):
    """A sink that cannot be closed: it waits for what never comes, or fails with ``error``."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(Thread(), moves=False)
        self._error = error

    @override
    async def aclose(self) -> None:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [None, ValueError("it does not close")], ids=["hangs", "raises"])
async def test_a_sink_that_cannot_be_closed_leaves_no_thread_behind(error: Exception | None) -> None:
    sink = await open_guarded(lambda: Stubborn(error), context(DestinationGuard()))
    assert "sink DG1" in {each.name for each in threading.enumerate()}

    with pytest.raises(ValueError if error else TimeoutError):
        await sink.aclose()

    assert "sink DG1" not in {each.name for each in threading.enumerate()}


async def test_a_sink_whose_closing_is_given_up_leaves_no_thread_behind() -> None:
    sink = await open_guarded(lambda: Stubborn(None), context(DestinationGuard()))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await sink.aclose()

    assert "sink DG1" not in {each.name for each in threading.enumerate()}
