"""Runs a sink whose client library opens its own connections on a loop that checks each of them with the guard."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from eventstreams.reasons import RetryReason
from eventstreams.sinks.contract import Sink, SinkContext
from eventstreams.sinks.event import OutboundEvent
from eventstreams.sinks.guard import DestinationForbiddenError
from eventstreams.sinks.outcomes import DeliveryOutcome, RetryLater
from eventstreams.sinks.thread import GuardedThread

UNREACHED: Final = frozenset({RetryReason.CONNECT_FAILED, RetryReason.TIMED_OUT})
"""The outcomes that libraries report if a connection was forbidden."""

_GOODBYE_S: Final = 1.0  # for a sink to close what it can; the caller of `aclose` waits two seconds

Result = TypeVar("Result")


class GuardedSink:
    """Runs another sink on the loop of ``thread``, where it was made."""

    def __init__(self, thread: GuardedThread, sink: Sink, *, unreached: Collection[RetryReason]) -> None:
        """``unreached``: reasons that ``sink`` may report when the actual cause is a forbidden address."""
        self._thread = thread
        self._sink = sink
        self._unreached = unreached

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        before = self._thread.forbidden
        outcomes = await self._run(self._sink.deliver(batch))
        if isinstance(outcomes, RetryLater):
            return [outcomes] * len(batch)
        return [self._told(outcome, before) for outcome in outcomes]

    async def probe(self) -> DeliveryOutcome:
        before = self._thread.forbidden
        return self._told(await self._run(self._sink.probe()), before)

    async def aclose(self) -> None:
        """Close the sink, then end everything on its thread, even if the sink raises or hangs."""
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._run(self._sink.aclose())
        finally:
            await self._thread.aclose()

    async def _run(self, work: Coroutine[object, object, Result]) -> Result | RetryLater:
        try:
            return await self._thread.run(work)
        except ConnectionAbortedError as error:
            return RetryLater(RetryReason.SINK_UNUSABLE, str(error))

    def _told(self, outcome: DeliveryOutcome, before: DestinationForbiddenError | None) -> DeliveryOutcome:
        """``outcome``, unless a forbidden address caused it: then that, as libraries only report an unreachable host.

        An address that was forbidden ``before`` this call began is not the cause: it may be that of another server of
        the destination.
        """
        forbidden = self._thread.forbidden
        if forbidden is None or forbidden is before:
            return outcome
        if not isinstance(outcome, RetryLater) or outcome.reason not in self._unreached:
            return outcome
        return replace(outcome, reason=RetryReason.DESTINATION_FORBIDDEN, detail=str(forbidden.strerror))


async def open_guarded(
    make: Callable[[], Sink], context: SinkContext, *, unreached: Collection[RetryReason] = UNREACHED
) -> GuardedSink:
    """The sink made by ``make``, on an event loop of its own that checks each connection with ``context.guard``.

    ``unreached`` is as for ``GuardedSink``.
    """
    thread = GuardedThread(context.guard, name=f"sink {context.sink_sid}")
    try:
        return GuardedSink(thread, await thread.run(_made(make)), unreached=unreached)
    except BaseException:
        await thread.aclose()
        raise


async def _made(make: Callable[[], Sink]) -> Sink:
    return make()


class PendingCloses:
    """Closes connections in the background: nobody waits for them, and they end with the loop at the latest."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()  # a loop holds only weak references to its tasks

    def begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name="a connection's end")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
