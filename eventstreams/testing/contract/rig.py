"""A plugin under test: its sinks are opened and used as a worker does it, and each of their answers is checked."""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import Final, TypeVar

from typing_extensions import override

from eventstreams.sinks import (
    Delivered,
    DeliveryOutcome,
    DestinationForbiddenError,
    DestinationGuard,
    OutboundEvent,
    Sink,
    SinkContext,
)
from eventstreams.sinks.contract import AnySinkPlugin, Capabilities
from eventstreams.testing.contract.checks import check_outcome, must
from eventstreams.testing.contract.destination import Destination
from eventstreams.testing.contract.events import CANARY
from eventstreams.testing.contract.watch import Watch

_POLL_S: Final = 0.02
# Whatever runs on this machine or network is a fair destination in a test.
ANYWHERE: Final = DestinationGuard((ip_network("0.0.0.0/0"), ip_network("::/0")))

Result = TypeVar("Result")


class _Nowhere(DestinationGuard):
    """Lets nobody connect to anything, wherever the destination of the test is."""

    @override
    def check(self, address: str, *, host: str = "") -> None:
        raise DestinationForbiddenError(DestinationForbiddenError.ERRNO, "the contract forbids every address")


NOWHERE: Final = _Nowhere()
Delivering = asyncio.Task[Sequence[DeliveryOutcome]]
Expected = Callable[[OutboundEvent], object]


class Rig:
    """A plugin, a destination, and the sinks opened between them."""

    def __init__(
        self, plugin: AnySinkPlugin, destination: Destination, watch: Watch, *, expected: Expected, patience_s: float
    ) -> None:
        """A rig.

        Args:
            plugin: The plugin under test.
            destination: What it delivers to.
            watch: Told everything that becomes visible, to find leaks.
            expected: Returns what the destination should have of an event that arrived.
            patience_s: How long to wait for things that should happen at once.
        """
        self.plugin = plugin
        self.destination = destination
        self.watch = watch
        self._expected = expected
        self._patience_s = patience_s
        self._opened: list[Sink] = []
        watch.hide([CANARY])

    @property
    def capabilities(self) -> Capabilities:
        return self.plugin.capabilities(self.plugin.config.model_validate(self.destination.config))

    async def open(self, *, guard: DestinationGuard = ANYWHERE) -> Sink:
        """A new sink with the destination's current configuration and tokens; it may connect where ``guard`` allows."""
        self.watch.hide([*self.destination.secrets, *self.destination.signing_tokens])
        context = SinkContext(
            sink_sid="DG" + "0" * 32,
            account_sid="AC" + "0" * 32,
            signing_tokens=tuple(self.destination.signing_tokens),
            guard=guard,
            user_agent="eventstreams/contract",
        )
        sink = await self.plugin.open(self.plugin.config.model_validate(self.destination.config), context)
        self._opened.append(sink)
        return sink

    async def aclose(self) -> None:
        """Close every sink that was opened, even if it was closed before."""
        for sink in self._opened:
            await self.close(sink)

    async def close(self, sink: Sink, when: str = "") -> None:
        """Close ``sink``, perhaps not for the first time. ``when`` says in which situation, for error texts."""
        try:
            await self.in_time(sink.aclose(), f"aclose(){when} does not return")
        except AssertionError:
            raise
        except Exception as error:
            self.watch.saw_error("the error that aclose() raised", error)
            raise AssertionError(f"aclose(){when} raised {type(error).__name__}") from error

    def begin(self, sink: Sink, batch: Sequence[OutboundEvent]) -> Delivering:
        """Start delivering ``batch`` to ``sink`` in the background."""
        return asyncio.create_task(_deliver(sink, batch))

    async def attempt(self, sink: Sink, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome] | None:
        """Make one attempt within the sink's time limit; returns None if it had to be cancelled.

        Raises:
            AssertionError: it raised, could not be cancelled, or returned invalid outcomes.
        """
        before = copy.deepcopy([event.data for event in batch])
        outcomes = await self.end(self.begin(sink, batch), batch)
        must([event.data for event in batch] == before, "deliver() changed the data of an event: it may only read it")
        return outcomes

    async def end(self, delivering: Delivering, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome] | None:
        """Wait for a delivery that was begun, and return its outcomes; see ``attempt``."""
        done, _ = await asyncio.wait({delivering}, timeout=self.capabilities.timeout_s)
        if not done:
            await self.cancel(delivering, batch)
            return None
        try:
            outcomes = delivering.result()
        except Exception as error:
            self.watch.saw_error("the error that deliver() raised", error)
            raise AssertionError(
                f"deliver() raised {type(error).__name__}, which says nothing about the events: "
                "judge what the destination did, and return RetryLater where that says nothing either"
            ) from error
        self._check(batch, outcomes)
        return outcomes

    async def cancel(self, delivering: Delivering, batch: Sequence[OutboundEvent]) -> None:
        """Cancel a delivery that was begun, as a worker does when it loses the partition.

        Raises:
            AssertionError: that does not end it, or it had ended before with invalid outcomes.
        """
        await self.stop(delivering, "deliver()")
        if not delivering.cancelled():
            await self.end(delivering, batch)

    async def deliver(self, sink: Sink, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Like ``attempt``, but it must end by itself, and what it reports as delivered must have arrived.

        Raises:
            AssertionError: one of these does not hold.
        """
        outcomes = await self.attempt(sink, batch)
        if outcomes is None:
            raise AssertionError(
                f"deliver() did not end within capabilities.timeout_s, {self.capabilities.timeout_s:g} s"
            )
        await self.wait_for(
            event for event, outcome in zip(batch, outcomes, strict=True) if isinstance(outcome, Delivered)
        )
        return outcomes

    async def deliver_all(self, sink: Sink, events: Sequence[OutboundEvent]) -> None:
        """Deliver all ``events``, in batches as a worker forms them; every outcome must be ``Delivered``."""
        for batch in batches(events, self.capabilities):
            outcomes = await self.deliver(sink, batch)
            must(
                all(isinstance(outcome, Delivered) for outcome in outcomes),
                f"the destination takes everything, but the outcomes are {_named(outcomes)}",
            )

    async def wait_for(self, events: Iterable[OutboundEvent]) -> None:
        """Return once the destination has each of ``events``, exactly as expected."""
        wanted = {event.id: self._expected(event) for event in events}
        deadline = time.monotonic() + self._patience_s
        while lacking := wanted.keys() - (await self.contents()).keys():
            must(
                time.monotonic() < deadline,
                f"Delivered was returned for {sorted(lacking)}, which the destination does not have",
            )
            await asyncio.sleep(_POLL_S)
        contents = await self.contents()
        for event_id, expected in wanted.items():
            for content in contents[event_id]:
                must(content == expected, f"{event_id} arrived as {content!r} instead of {expected!r}")

    async def contents(self) -> Mapping[str, Sequence[object]]:
        """What the destination has: every copy, by event id."""
        found: dict[str, list[object]] = {}
        for arrival in await self.destination.arrived():
            found.setdefault(arrival.id, []).append(arrival.content)
        return found

    async def has_once(self, events: Iterable[OutboundEvent]) -> None:
        """Raise AssertionError unless the destination has each of ``events`` exactly once, and nothing else."""
        found = {event_id: len(copies) for event_id, copies in (await self.contents()).items()}
        wanted = {event.id: 1 for event in events}
        must(
            found == wanted,
            f"without a fault each event arrives once; missing: {sorted(wanted.keys() - found.keys())}, "
            f"twice or unwanted: {sorted(each for each in found if wanted.get(each) != found[each])}",
        )

    async def in_time(self, doing: Awaitable[object], problem: str) -> None:
        """Await ``doing``, which should take no time; otherwise raise AssertionError with ``problem``."""
        try:
            async with asyncio.timeout(self._patience_s):
                await doing
        except TimeoutError:
            raise AssertionError(f"{problem} within {self._patience_s:g} s") from None

    async def stop(self, doing: "asyncio.Task[Result]", name: str) -> None:
        """Cancel ``doing``; return once it has ended."""
        doing.cancel()
        done, _ = await asyncio.wait({doing}, timeout=self._patience_s)
        must(bool(done), f"{name} was cancelled but continues: let CancelledError through")

    def _check(self, batch: Sequence[OutboundEvent], outcomes: object) -> None:
        must(
            isinstance(outcomes, Sequence) and not isinstance(outcomes, str),
            f"deliver() returned {type(outcomes).__name__} instead of a sequence of outcomes",
        )
        assert isinstance(outcomes, Sequence)
        must(len(outcomes) == len(batch), f"deliver() returned {len(outcomes)} outcomes for {len(batch)} events")
        for outcome in outcomes:
            check_outcome(outcome)
            self.watch.saw("an outcome", repr(outcome))


def batches(events: Sequence[OutboundEvent], capabilities: Capabilities) -> Iterable[Sequence[OutboundEvent]]:
    """``events`` in order, in batches as a worker forms them: within ``capabilities``, a larger event alone."""
    batch: list[OutboundEvent] = []
    size = 0
    for event in events:
        added = len(event.json())
        if batch and (len(batch) == capabilities.max_batch_events or size + added > capabilities.max_batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += added
    if batch:
        yield batch


async def _deliver(sink: Sink, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
    return await sink.deliver(batch)


def _named(outcomes: Sequence[DeliveryOutcome]) -> str:
    return ", ".join(sorted({repr(outcome) for outcome in outcomes}))
