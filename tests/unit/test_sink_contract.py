"""The sink contract: a sink without faults passes it, and each fault fails the test that is there for it."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
)
from eventstreams.sinks.contract import AnySinkPlugin
from tests.support.memory_contract import (
    CANCELLED,
    CLOSING,
    DOWN,
    HANGS,
    ONCE,
    PROBE,
    REFUSED,
    SECRETS,
    MemoryContract,
    run,
)
from tests.support.memory_sink import Memory, MemorySink, Mood, memory_plugin

log = logging.getLogger("of.the.plugin")


class TestAFaultlessSink(MemoryContract):
    """Passes every test, as its destination offers every ability."""

    patience_s = 10.0


# -- sinks with one fault each -----------------------------------------------------------------------------------


class Raises(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        await self.memory.greet(self.password)
        return await super().put(event)


class RejectsWhatFailed(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        outcome = await super().put(event)
        return Rejected(DeadReason.REFUSED) if isinstance(outcome, RetryLater) else outcome


class Miscounts(MemorySink):
    @override
    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        return (await super().deliver(batch))[:1]


class ReturnsOneForAll(MemorySink):
    @override
    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Any:
        return (await super().deliver(batch))[0]


class ReturnsTrue(MemorySink):
    @override
    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Any:
        return [isinstance(outcome, Delivered) for outcome in await super().deliver(batch)]


class TurnsRound(MemorySink):
    @override
    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        return (await super().deliver(batch))[::-1]


class AllOrNothing(MemorySink):
    @override
    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        outcomes = await super().deliver(batch)
        return [next((each for each in outcomes if not isinstance(each, Delivered)), Delivered())] * len(outcomes)


class Lies(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        return Delivered()


class Writes(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        outcome = await super().put(event)
        event.data["seen"] = True  # type: ignore[index]  # that is the fault
        return outcome


class Doubles(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        await super().put(event)
        return await super().put(event)


class Alters(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        return await super().put(replace(event, data={**event.data, "at": 7}, _json=None))


class TellsTheAttempt(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        return await super().put(replace(event, subject=f"attempt {event.attempt}", _json=None))


class SwallowsCancellation(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        try:
            return await super().put(event)
        except asyncio.CancelledError:
            return RetryLater(RetryReason.TIMED_OUT)


class CannotBeCancelled(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        putting = asyncio.ensure_future(super().put(event))
        while not putting.done():
            try:
                await asyncio.wait({putting})
            except asyncio.CancelledError:
                continue
        return putting.result()


class KeepsItsLock(MemorySink):
    def __init__(self, memory: Memory, password: str) -> None:
        super().__init__(memory, password)
        self._lock = asyncio.Lock()

    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        await self._lock.acquire()
        outcome = await super().put(event)
        self._lock.release()
        return outcome


class ReadsOldAnswers(MemorySink):
    """Goes on with a connection on which the answer to a cancelled delivery is still to come."""

    def __init__(self, memory: Memory, password: str) -> None:
        super().__init__(memory, password)
        self._answers: asyncio.Queue[DeliveryOutcome] = asyncio.Queue()
        self._asking: set[asyncio.Task[None]] = set()

    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        self._asking.add(asyncio.create_task(self._ask(event)))
        return await self._answers.get()

    async def _ask(self, event: OutboundEvent) -> None:
        self._answers.put_nowait(await super().put(event))


class LeavesATask(MemorySink):
    @override
    async def probe(self) -> DeliveryOutcome:
        self.task = asyncio.create_task(asyncio.sleep(60))
        return await super().probe()


class ClosesOnce(MemorySink):
    closed = False

    @override
    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("already closed")
        self.closed = True


class HangsAtTheEnd(MemorySink):
    @override
    async def aclose(self) -> None:
        await asyncio.Event().wait()


class IgnoresTheAnswer(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        outcome = await super().put(event)
        return Delivered() if outcome == RetryLater(RetryReason.BAD_ANSWER) else outcome


class ProbesNothing(MemorySink):
    @override
    async def probe(self) -> DeliveryOutcome:
        return Delivered()


class Blocks(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        if self.memory.mood is Mood.HANGING:
            threading.Event().wait(5)
        return await super().put(event)


class CallsATooLargeOneRefused(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        outcome = await super().put(event)
        return Rejected(DeadReason.REFUSED) if isinstance(outcome, Rejected) else outcome


class LogsTheSecret(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        log.debug("putting", extra={"password": self.password})
        return await super().put(event)


class PrintsTheData(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        print(event.data)  # noqa: T201 - that is the fault
        return await super().put(event)


class TellsTheSecret(MemorySink):
    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        outcome = await super().put(event)
        if isinstance(outcome, RetryLater):
            return RetryLater(RetryReason.BAD_ANSWER, f"no luck with {self.password}")
        return outcome


class ShowsTheSecret(MemorySink):
    @override
    def __repr__(self) -> str:
        return f"MemorySink({self.password})"


class AnswersFor(MemorySink):
    """Answers with ``outcome`` whatever fails."""

    outcome: ClassVar[DeliveryOutcome]

    @override
    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        found = await super().put(event)
        return found if isinstance(found, Delivered) else self.outcome


class BlamesThePlugin(AnswersFor):
    outcome = RetryLater(RetryReason.PLUGIN_RAISED)


class SaysExpired(AnswersFor):
    outcome = Rejected(DeadReason.EXPIRED)


class HasNoTimeZone(AnswersFor):
    outcome = RetryLater(RetryReason.THROTTLED, not_before=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the fault


@pytest.mark.parametrize(
    ("sink", "test", "words"),
    [
        (Raises, DOWN, r"deliver\(\) raised ConnectionRefusedError"),
        (RejectsWhatFailed, DOWN, "that is RetryLater, not Rejected"),
        (Miscounts, ONCE, "1 outcomes for"),
        (ReturnsOneForAll, ONCE, "returned Delivered instead of a sequence"),
        (ReturnsTrue, ONCE, "True among the outcomes"),
        (TurnsRound, REFUSED, "which the destination does not have"),
        (AllOrNothing, REFUSED, "was taken, but its outcome is Rejected"),
        (Lies, ONCE, "which the destination does not have"),
        (Writes, ONCE, "changed the data"),
        (Doubles, ONCE, "each event arrives once"),
        (Alters, ONCE, "arrived as"),
        (TellsTheAttempt, "test_an_event_looks_the_same_at_each_attempt", "arrived as"),
        (SwallowsCancellation, CANCELLED, "was cancelled and returned outcomes"),
        (CannotBeCancelled, CANCELLED, "was cancelled but continues"),
        (KeepsItsLock, HANGS, "did not end within"),
        (ReadsOldAnswers, CANCELLED, "refused after a cancellation, but it is"),
        (LeavesATask, PROBE, "left tasks running: sleep"),
        (ClosesOnce, CLOSING, r"aclose\(\) raised RuntimeError"),
        (HangsAtTheEnd, CLOSING, r"aclose\(\) does not return"),
        (IgnoresTheAnswer, "test_new_credentials_are_used_by_the_next_delivery_and_old_ones_by_none", "old credent"),
        (IgnoresTheAnswer, "test_an_answer_without_sense_says_nothing_about_the_events", "that is RetryLater"),
        (ProbesNothing, "test_the_probe_says_when_the_destination_takes_nothing_and_when_it_does_again", "says Deliv"),
        (CallsATooLargeOneRefused, "test_an_event_that_is_too_large_is_rejected_alone", "with TOO_LARGE"),
        (LogsTheSecret, ONCE, "a log line of of.the.plugin"),
        (PrintsTheData, ONCE, "what was printed"),
        (TellsTheSecret, "test_an_answer_without_sense_says_nothing_about_the_events", "an outcome"),
        (ShowsTheSecret, SECRETS, r"repr\(\) of its sink"),
        (BlamesThePlugin, DOWN, "only the worker says"),
        (SaysExpired, REFUSED, "takes REFUSED or TOO_LARGE"),
        (HasNoTimeZone, DOWN, "aware datetime"),
    ],
)
def test_a_faulty_sink_fails_the_test_for_its_fault(sink: type[MemorySink], test: str, words: str) -> None:
    class Faulty(MemoryContract):
        @override
        def plugin(self) -> AnySinkPlugin:
            return memory_plugin(self.memory, sink=sink)

    with pytest.raises(AssertionError, match=words):
        run(Faulty, test)


def test_a_sink_that_blocks_the_event_loop_fails_instead_of_stopping_the_run() -> None:
    class Faulty(MemoryContract):
        deadline_s = 1.0

        @override
        def plugin(self) -> AnySinkPlugin:
            return memory_plugin(self.memory, sink=Blocks)

    with pytest.raises(AssertionError, match="blocks the event loop"):
        run(Faulty, HANGS)
