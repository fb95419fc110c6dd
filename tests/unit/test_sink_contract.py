"""The sink contract: a sink without faults passes it, and each fault fails the test that is there for it."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from eventstreams.sinks import (
    Capabilities,
    DeadReason,
    Delivered,
    DeliveryOutcome,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    Sink,
    SinkContext,
)
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.testing import Ability, Destination, SinkContract
from tests.support.memory_sink import Memory, MemoryConfig, MemorySink, Mood, memory_plugin

log = logging.getLogger("of.the.plugin")


class MemoryContract(SinkContract):
    sink_type = "memory"
    patience_s = 0.3
    memory: Memory

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        self.memory = Memory()
        yield self.memory

    @override
    def plugin(self) -> AnySinkPlugin:
        return memory_plugin(self.memory)


def run(suite: type[SinkContract], test: str) -> None:
    """Run one test of ``suite``, as pytest does."""
    getattr(suite(), test)()


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


REFUSED = "test_a_refused_event_is_rejected_and_its_neighbours_arrive"
DOWN = "test_events_wait_while_the_destination_is_down_and_arrive_afterwards"
HANGS = "test_a_destination_that_hangs_holds_up_no_later_delivery"
CANCELLED = "test_a_delivery_that_is_cancelled_in_the_middle_leaves_no_answer_behind"
ONCE = "test_each_event_arrives_once_as_it_is"
CLOSING = "test_closing_once_more_or_while_delivering_does_no_harm"
PROBE = "test_the_probe_says_that_the_destination_takes_events"
SECRETS = "test_no_secret_can_be_seen_in_a_repr_or_in_an_error_about_the_configuration"


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
        (CannotBeCancelled, CANCELLED, "was cancelled and goes on"),
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


# -- plugins that are faulty as values ---------------------------------------------------------------------------


class OpenToAnything(BaseModel):
    password: str


class ShowsWhatIsWrong(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: str


def shows_all(config: BaseModel) -> Mapping[str, object]:
    assert isinstance(config, MemoryConfig)
    return {"password": config.password.get_secret_value()}


UNKNOWN_KEY = "test_a_key_that_its_configuration_does_not_know_is_refused_by_name"
SHOWN = "test_what_the_api_shows_of_its_configuration_is_json_without_secrets"
FORMED = "test_its_plugin_is_installed_and_well_formed"
CAPABLE = "test_its_capabilities_make_sense"


@pytest.mark.parametrize(
    ("make", "test", "words"),
    [
        (lambda memory: memory_plugin(memory, config=OpenToAnything), UNKNOWN_KEY, 'extra="forbid"'),
        (lambda memory: memory_plugin(memory, config=OpenToAnything), SECRETS, r"repr\(\) of its configuration"),
        (lambda memory: memory_plugin(memory, config=ShowsWhatIsWrong), SECRETS, "hide_input_in_errors"),
        (lambda memory: replace(memory_plugin(memory), public=dict), SHOWN, "what is not JSON"),
        (
            lambda memory: replace(memory_plugin(memory), public=shows_all),
            SHOWN,
            r"what public\(\) returns",
        ),
        (lambda memory: replace(memory_plugin(memory), sink_type="Memory!"), FORMED, "'Memory!' instead of 'memory'"),
        (lambda memory: replace(memory_plugin(memory), api_version=99), FORMED, "its api_version is 99"),
        (lambda memory: memory_plugin(memory, capabilities=Capabilities(timeout_s=0)), CAPABLE, "timeout_s is 0"),
        (
            lambda memory: memory_plugin(memory, capabilities=Capabilities(timeout_s=1, max_batch_events=0)),
            CAPABLE,
            "max_batch_events is 0",
        ),
    ],
    ids=["extra keys", "repr", "error", "not JSON", "shown", "sink type", "version", "timeout", "batch"],
)
def test_a_faulty_plugin_fails_the_test_for_its_fault(
    make: Callable[[Memory], AnySinkPlugin], test: str, words: str
) -> None:
    class Faulty(MemoryContract):
        @override
        def plugin(self) -> AnySinkPlugin:
            return make(self.memory)

    with pytest.raises(AssertionError, match=words):
        run(Faulty, test)


def test_what_open_raises_may_not_tell_a_secret_as_the_worker_logs_it() -> None:
    class Faulty(MemoryContract):
        @override
        def plugin(self) -> AnySinkPlugin:
            plugin = memory_plugin(self.memory)

            async def complain_when_down(config: BaseModel, context: SinkContext) -> Sink:
                if self.memory.mood is Mood.DOWN:
                    raise ConnectionError(f"not with {context.signing_tokens}")
                return await plugin.open(config, context)

            return replace(plugin, open=complain_when_down)

    with pytest.raises(AssertionError, match=r"the error that open\(\) raised"):
        run(Faulty, DOWN)


def test_a_plugin_that_is_not_installed_is_asked_for() -> None:
    class Lost(MemoryContract):
        sink_type = "lost"

        @override
        def plugin(self) -> AnySinkPlugin:
            return SinkContract.plugin(self)

    with pytest.raises(Exception, match="no sink plugin 'lost' is installed"):
        run(Lost, FORMED)


# -- declarations ------------------------------------------------------------------------------------------------


class Plain(Memory):
    """Offers nothing but to be down."""

    refuse = Destination.refuse
    defer = Destination.defer
    hang = Destination.hang


class PlainContract(MemoryContract):
    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        self.memory = Plain()
        yield self.memory


def names_of_tests(suite: type[SinkContract]) -> set[str]:
    return {name for name in dir(suite) if name.startswith("test_") and callable(getattr(suite, name))}


def test_an_ability_that_is_neither_offered_nor_declared_fails_its_tests() -> None:
    with pytest.raises(AssertionError, match=r"Plain does not offer hang\(\).*cannot = {'hang': 'the reason'}"):
        run(PlainContract, HANGS)


def test_a_declaration_stands_in_the_report_instead_of_the_tests_that_need_the_ability() -> None:
    class Declared(PlainContract):
        cannot: ClassVar[Mapping[Ability, str]] = {"hang": "no way to hold it"}

    gone = {
        name for name in names_of_tests(MemoryContract) if name in {HANGS, CANCELLED, "test_closing_ends_what_hangs"}
    }
    assert len(gone) == 3
    assert names_of_tests(Declared) == names_of_tests(MemoryContract) - gone | {"test_declares_that_it_cannot_hang"}
    run(Declared, "test_declares_that_it_cannot_hang")


def test_what_is_declared_must_not_be_offered() -> None:
    class Modest(MemoryContract):
        cannot: ClassVar[Mapping[Ability, str]] = {"refuse": "it can"}

    with pytest.raises(AssertionError, match=r"Memory offers refuse\(\): take it out of cannot"):
        run(Modest, "test_declares_that_it_cannot_refuse")


def test_a_declaration_needs_a_reason() -> None:
    class Silent(PlainContract):
        cannot: ClassVar[Mapping[Ability, str]] = {"hang": " "}

    with pytest.raises(AssertionError, match="lacks its reason"):
        run(Silent, "test_declares_that_it_cannot_hang")


def test_an_ability_that_does_not_exist_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="the abilities are refuse, defer"):

        class Odd(MemoryContract):
            cannot: ClassVar[Mapping[Ability, str]] = {"fly": "no wings"}  # type: ignore[dict-item]  # that is the fault
