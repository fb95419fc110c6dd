"""The gate of one sink, which every attempt must pass, whatever its lane. It limits how many run at once, and when.

    closed   paused by its owner, waiting as the sink asked, or broken: lanes leave events in their topic
    full     as many attempts under way as allowed, or the rate limit is used up: lanes wait in line
    open     an attempt may begin

Lanes of subscriptions wait at the gate; lanes of retry topics, which carry events of many sinks, never do.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from eventstreams.control.records import SinkRecord, Throttle
from eventstreams.sinks import DeliveryOutcome
from eventstreams.times import Clock
from sink_workers.gates.gradient import USUAL
from sink_workers.gates.pace import AdaptivePace, Pace, ReferencePace, Signal, signal_of
from sink_workers.gates.token_bucket import TokenBucket

Wake = Callable[[], None]

# Retries may exceed the limit by a quarter of it. So new events cannot starve them, nor do they take the place of new
# ones: otherwise one retry under way would make all new events wait in line, which costs a third of a delivery.
_RETRY_SHARE: Final = 4
_TROUBLE_MS: Final = 5 * 60_000  # by then, the backlog of a sink's trouble is delivered, or is trouble itself
_LOOK_AGAIN_MS: Final = 1_000  # when a retry that found the gate full is looked at again
_LOOK_AGAIN_PAUSED_MS: Final = 10_000  # the same while the sink is paused: how late it may notice the end of a pause
# Each look is another write, kept for the ttl and a day: a hundred thousand retries of one paused sink, looked at every
# ten seconds for four hours, would be 10,000 writes a second, and all other sinks' retries would wait behind them. So
# a retry whose last attempt was more than a minute ago is looked at less often: after a quarter of the excess time.
_HELD_MS: Final = 60_000
_HELD_SHARE: Final = 4
_LONGEST_AGAIN_MS: Final = 150_000  # with the default delays, exactly one slot of the wheel: one write for each look
# For a gate that is merely full, at its rate limit, or briefly waiting: soon there is room. A random part of up to half
# is subtracted, so that retries that came together spread out: else a few would get in each time, and none in between.
_LONGEST_AGAIN_FULL_MS: Final = 30_000
_LONG_MS: Final = 60_000  # without an attempt for longer, an alert would take the worker for stuck


class GateState(StrEnum):
    """The state of a sink's gate, for display."""

    OPEN = "open"
    PAUSED = "paused"
    WAITING = "waiting"
    BROKEN = "broken"


class Spare:
    """The number of attempts beyond ``USUAL`` per gate that all gates together may still let pass.

    It is limited because each takes a connection and memory.
    """

    def __init__(self, most: int) -> None:
        self.left = most


class Gate:
    """The gate of one sink. Use it on one event loop only."""

    def __init__(
        self,
        clock: Clock,
        *,
        most: int = USUAL,
        spare: Spare | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Create an open gate. Until the sink's ceiling is known, each lane makes one attempt, which opens the sink.

        Args:
            clock: A steady clock, in ms.
            most: The most attempts that may ever be under way, whatever the sink could take.
            spare: The attempts that all gates share beyond ``USUAL`` each; None: no more than ``USUAL``.
            jitter: Draws from the uniform distribution over [0, 1).
        """
        self._clock = clock
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self._pace: Pace = AdaptivePace(jitter)
        self._throttle = Throttle.ADAPTIVE
        self._bucket = TokenBucket(clock())
        self._rate_limit: float | None = None
        self._paused = False
        self._configuration: str | None = None
        self._most = most
        self._spare = spare or Spare(0)
        self._ceiling = min(USUAL, most)
        self._trouble_ms: int | None = None
        self._in_flight = 0
        self._retries = 0  # among those in flight
        self._line: deque[tuple[asyncio.Future[bool], int]] = deque()
        self._watchers: set[asyncio.Future[None]] = set()
        self._lanes: set[Wake] = set()
        self._timer: asyncio.TimerHandle | None = None

    def configure(self, record: SinkRecord) -> None:
        """Apply the owner's settings: pause, rate limit and throttle."""
        if self._paused or record.paused:
            self.note_trouble()
        self._paused, self._rate_limit = record.paused, record.rate_limit
        elsewhere = self._configuration not in {None, record.configuration}
        self._configuration = record.configuration
        held_back = self._pace.is_broken() or self._clock() < self._pace.opens_ms()
        if record.throttle is not self._throttle or (elsewhere and held_back):  # it may have been fixed: try at once
            self._throttle = record.throttle
            self._pace = ReferencePace() if record.throttle is Throttle.REFERENCE else AdaptivePace(self._jitter)
        self.changed()

    def set_ceiling(self, most: int) -> None:
        """Note that the sink is open and takes at most ``most`` concurrent attempts."""
        most = min(most, self._most)
        if most != self._ceiling:
            self._ceiling = most
            self._advance()

    @property
    def state(self) -> GateState:
        if self._paused:
            return GateState.PAUSED
        if self._pace.is_broken():
            return GateState.BROKEN
        now_ms = self._clock()
        waits_ms = max(self._pace.opens_ms() - now_ms, 0)
        # A batch may take what its sink's rate limit allows in many minutes. Seconds of it are no state of their own.
        limited_ms = self._bucket.wait_ms(1, self._rate(now_ms), now_ms)
        return GateState.WAITING if waits_ms or limited_ms > _LONG_MS else GateState.OPEN

    def limit(self) -> int:
        """How many attempts may be under way now; 0 while the gate is closed. Listeners are woken when it opens."""
        return self._limit_at(self._clock())

    def _limit_at(self, now_ms: int) -> int:
        if self._paused:
            return 0
        limit = self._pace.limit(now_ms, self._ceiling)
        if limit == 0:
            self._wake_at(self._pace.opens_ms() - now_ms)
        return limit

    def is_broken(self) -> bool:
        """Whether the sink keeps failing, so that single attempts only probe it."""
        return self._pace.is_broken()

    def is_holding(self) -> bool:
        """Whether events should wait for the sink rather than go to a retry topic."""
        return self._paused or self._pace.is_broken() or self._clock() < self._pace.opens_ms()

    def is_straight(self) -> bool:
        """Whether, for five minutes, nothing outside our control has delayed the sink's events.

        Such delays are failures, throttling, waits that the sink asked for, pauses, its rate limit, and as many
        attempts under way as a sink gets at least, however slow it is.
        """
        return self._trouble_ms is None or self._clock() - self._trouble_ms > _TROUBLE_MS

    def note_trouble(self) -> None:
        """Note that something outside our control delays some of the sink's events, or did until now."""
        self._trouble_ms = self._clock()

    def listen(self, wake: Wake) -> Wake:
        """Call ``wake`` whenever the limit may have grown; returns a function that unsubscribes it."""
        self._lanes.add(wake)
        return lambda: self._lanes.discard(wake)

    # -- passing ---------------------------------------------------------------------------------------------

    def try_enter(self, events: int) -> bool:
        """Like ``enter``, but without waiting: False if ``enter`` would wait in line."""
        return not self._line and self._try(events)

    async def enter(self, events: int, *, within_ms: int, stopped: "asyncio.Future[None]") -> bool:
        """Wait in line for an attempt with ``events`` events. If it returns True, the caller must ``leave``.

        False means: look again. Something has changed, ``within_ms`` have passed, or ``stopped`` is done.
        """
        if self.try_enter(events):
            return True
        turn: asyncio.Future[bool] = self._loop.create_future()
        self._line.append((turn, events))
        self._advance()
        try:
            either: set[asyncio.Future[bool] | asyncio.Future[None]] = {turn, stopped}
            await asyncio.wait(either, timeout=within_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if turn.done() and turn.result():
                self.leave_untried()
            turn.cancel()
            raise
        if turn.done():
            return turn.result()
        turn.cancel()
        return False

    async def wait(self, *, within_ms: int, stopped: "asyncio.Future[None]") -> None:
        """Return when something has changed, ``within_ms`` have passed, or ``stopped`` is done."""
        change: asyncio.Future[None] = self._loop.create_future()
        self._watchers.add(change)
        try:
            await asyncio.wait({change, stopped}, timeout=within_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watchers.discard(change)
            change.cancel()

    def try_enter_for_retry(self, events: int) -> bool:
        """Like ``enter``, but without waiting, and ahead of the line: a retry has waited already."""
        return self._try(events, is_retry=True)

    def look_again_ms(self, *, paused: bool, held_ms: int = 0) -> int:
        """How long, in ms, a retry that may not enter should wait until it is looked at again.

        Args:
            paused: Whether its subscription is paused.
            held_ms: The time since its last attempt.
        """
        seldom_ms = max(held_ms - _HELD_MS, 0) // _HELD_SHARE
        if paused or self._paused:
            return max(_LOOK_AGAIN_PAUSED_MS, min(seldom_ms, _LONGEST_AGAIN_MS))
        least_ms = max(self._pace.opens_ms() - self._clock(), _LOOK_AGAIN_MS)
        if self._pace.is_broken():
            return max(least_ms, min(seldom_ms, _LONGEST_AGAIN_MS))
        seldom_ms = min(seldom_ms, _LONGEST_AGAIN_FULL_MS)
        return max(least_ms, seldom_ms - int(seldom_ms * self._jitter() / 2))

    def leave(
        self, outcomes: Sequence[DeliveryOutcome], *, began_ms: int, wait_ms: int = 0, is_retry: bool = False
    ) -> None:
        """End the attempt that began at ``began_ms``, and learn from its ``outcomes``.

        Args:
            outcomes: What came of it.
            began_ms: When it began, by the gate's clock.
            wait_ms: How long the sink asks to be left alone.
            is_retry: Whether it entered by ``try_enter_for_retry``.
        """
        now_ms = self._clock()
        full = self._in_flight >= self._pace.limit(now_ms, self._ceiling)
        signal = signal_of(outcomes)
        if signal is not Signal.TOOK or wait_ms > 0 or self._in_flight >= min(self._ceiling, USUAL) > 1:
            self.note_trouble()
        self._end(is_retry=is_retry)
        was_broken = self._pace.is_broken()
        self._pace.report(signal, began_ms=began_ms, now_ms=now_ms, wait_ms=wait_ms, full=full)
        if self._line:
            self._advance()
        if was_broken and not self._pace.is_broken():
            self._wake_lanes()

    def leave_untried(self, *, is_retry: bool = False) -> None:
        """Leave without having made an attempt; nothing is learnt."""
        self._end(is_retry=is_retry)
        self._advance()
        if self._pace.is_broken():
            self._wake_lanes()

    def changed(self) -> None:
        """Make everything that waits look again, because of a pause, a deletion or a changed setting."""
        line, self._line = self._line, deque()
        for turn, _ in line:
            if not turn.done():
                turn.set_result(False)
        for change in self._watchers:
            if not change.done():
                change.set_result(None)
        self._wake_lanes()

    def _try(self, events: int, *, is_retry: bool = False) -> bool:
        now_ms = self._clock()
        limit = self._limit_at(now_ms)
        if limit == 0 or not self._has_room(limit, is_retry=is_retry):
            return False
        if not self._bucket.take(events, self._rate(now_ms), now_ms, debt=float(events) if is_retry else 0.0):
            self.note_trouble()
            return False
        if self._in_flight >= USUAL:
            self._spare.left -= 1
        self._in_flight += 1
        self._retries += is_retry
        return True

    def _has_room(self, limit: int, *, is_retry: bool = False) -> bool:
        """Whether one more attempt may be under way.

        With no spare attempts left, the gate has its ``USUAL`` ones, which only its own attempts use.
        """
        beside = 0 if self._pace.is_broken() else max(1, limit // _RETRY_SHARE)
        fresh = 0 if is_retry else self._in_flight - self._retries
        if self._in_flight >= limit + beside or fresh >= limit:
            return False
        if self._spare.left > 0:
            return True
        return self._in_flight < USUAL + min(beside, USUAL // _RETRY_SHARE) and fresh < USUAL

    def _end(self, *, is_retry: bool) -> None:
        self._in_flight -= 1
        self._retries -= is_retry
        if self._in_flight >= USUAL:
            self._spare.left += 1

    def _advance(self) -> None:
        """Let in as many as possible of those in line, first come, first served."""
        while self._line:
            turn, events = self._line[0]
            if turn.done():
                self._line.popleft()
            elif self._try(events):
                self._line.popleft()
                turn.set_result(True)
            else:
                if self._has_room(self.limit()):  # only the rate limit is in the way: wait until it allows more
                    now_ms = self._clock()
                    self._wake_at(self._bucket.wait_ms(events, self._rate(now_ms), now_ms))
                return

    def _rate(self, now_ms: int) -> float | None:
        """The lower of the owner's rate limit and the pace's, in events a second; None if there is neither."""
        given, found = self._rate_limit, self._pace.rate(now_ms)
        if given is None or found is None:
            return found if given is None else given
        return min(given, found)

    def _wake_at(self, in_ms: int) -> None:
        at_s = self._loop.time() + max(in_ms, 1) / 1000
        if self._timer is not None:
            if self._timer.when() <= at_s:
                return  # those that are woken then ask again
            self._timer.cancel()
        self._timer = self._loop.call_at(at_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._advance()
        self._wake_lanes()

    def _wake_lanes(self) -> None:
        for wake in list(self._lanes):
            wake()
