"""How fast one sink is delivered to, learnt from its answers. Pure: times are in ms of any steady clock.

adaptive   concurrency grows while the sink takes what it gets and shrinks when it refuses; a sink that keeps failing
           is left alone but for one attempt at growing intervals (a circuit breaker)
reference  the throttle of the reference service: events a second, cut by one hundredth with each refusal
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, Protocol, assert_never

from eventstreams.reasons import RetryReason
from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater
from sink_workers.gates.gradient import USUAL, Gradient

_REFUSED: Final = frozenset({311, *range(400, 500)})  # AMQP has 311 for content that is too large


class Signal(Enum):
    """What an attempt says about the sink as a whole."""

    TOOK = auto()
    """It works: it took an event, or refused an event for that event's own sake."""
    TOOK_SOME = auto()
    """It works but is overloaded: it took part of a batch and throttled the rest."""
    SLOW_DOWN = auto()
    """It is overloaded: it took nothing."""
    FAILED = auto()
    """It did not work, or there is no way to know."""


def signal_of(outcomes: Sequence[DeliveryOutcome]) -> Signal:
    """What the outcomes of one attempt say together: one accepted event shows that the sink works."""
    if len(outcomes) == 1:
        return _signal(outcomes[0])
    distinct = {id(outcome): outcome for outcome in outcomes}  # most plugins return one object for all
    found = {_signal(outcome) for outcome in distinct.values()}
    if Signal.SLOW_DOWN in found:
        return Signal.TOOK_SOME if Signal.TOOK in found else Signal.SLOW_DOWN
    return Signal.TOOK if Signal.TOOK in found else Signal.FAILED


def _signal(outcome: DeliveryOutcome) -> Signal:
    match outcome:
        case Delivered() | Rejected():
            return Signal.TOOK
        case RetryLater(reason=RetryReason.THROTTLED):
            return Signal.SLOW_DOWN
        case RetryLater(status=status):
            # A refused batch, whose events will be tried one by one: the sink works, and rejects something in it.
            return Signal.TOOK if status in _REFUSED else Signal.FAILED
        case _:
            assert_never(outcome)


class Pace(Protocol):
    """What a gate asks about the speed of one sink."""

    def limit(self, now_ms: int, ceiling: int) -> int:
        """Allowed concurrent attempts, at most ``ceiling``; 0: none before ``opens_ms``."""

    def opens_ms(self) -> int:
        """The time before which there may be no attempt; in the past if there may be one now."""

    def rate(self, now_ms: int) -> float | None:
        """The limit in events a second; None: unlimited."""

    def is_broken(self) -> bool:
        """Whether the circuit breaker is open: the sink's events wait in order, and single attempts probe it."""

    def report(self, signal: Signal, *, began_ms: int, now_ms: int, wait_ms: int, full: bool) -> None:
        """Learn from an attempt.

        Args:
            signal: What it says about the sink.
            began_ms: When it began.
            now_ms: When it ended.
            wait_ms: How long the sink asks to be left alone (``Retry-After``); 0: it does not.
            full: Whether as many attempts as the limit allows were under way.
        """


_FIRST_LIMIT: Final = 8  # enough to fill a fast sink; also the load on a dead one before it is known to be dead
_CUT: Final = 0.5
_FAILING_SHARE: Final = 0.2  # below it, failures are regarded as those of single events and do not slow the sink down
_SHARE_WEIGHT: Final = 1 / 20  # the weight of one attempt in the moving average of failures
_BREAK_AFTER: Final = 10  # failures in a row; if every other event fails, that happens once in a thousand
_FIRST_PROBE_MS: Final = 1_000
_LONGEST_PROBE_MS: Final = 60_000
_MOST_WAIT_MS: Final = 24 * 60 * 60 * 1000  # the most that a Retry-After counts for: far beyond any deadline


class AdaptivePace:
    """Additive increase, multiplicative decrease; above ``USUAL``, the gradient decides; and a circuit breaker.

    open ─ 10 failures in a row ─► broken ─ probe due ─► one attempt ─ it is taken ─► open
                                     ▲                        │
                                     └── twice the interval ──┘ it fails
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """``random``: uniform over [0, 1); spreads the probes of sinks that broke at the same time."""
        self._random = random
        self._limit = float(_FIRST_LIMIT)
        self._gradient = Gradient()
        self._cautious = False  # until the first cut, the limit doubles each round, as in TCP's slow start
        self._share = 0.0
        self._in_a_row = 0
        self._cut_ms = -1
        self._probes = 0
        self._broken_ms: int | None = None
        self._opens_ms = 0

    def limit(self, now_ms: int, ceiling: int) -> int:
        if now_ms < self._opens_ms:
            return 0
        if self._limit > ceiling:
            self._limit = max(float(ceiling), 1.0)  # a limit that cannot be used is not proven
        return 1 if self._broken_ms is not None else int(self._limit)

    def opens_ms(self) -> int:
        return self._opens_ms

    def rate(self, now_ms: int) -> float | None:  # noqa: ARG002 - part of the protocol
        return None

    def is_broken(self) -> bool:
        return self._broken_ms is not None

    def report(self, signal: Signal, *, began_ms: int, now_ms: int, wait_ms: int, full: bool) -> None:
        if signal is Signal.TOOK:
            self._took(began_ms, now_ms, full=full)
        elif signal is Signal.TOOK_SOME:
            self._took(began_ms, now_ms, full=False)
            self._cut(began_ms, now_ms)  # slow down, but never stop: it works
        else:
            self._failed(signal, began_ms, now_ms)
        if wait_ms > 0:
            self._opens_ms = max(self._opens_ms, now_ms + min(wait_ms, _MOST_WAIT_MS))

    def _took(self, began_ms: int, now_ms: int, *, full: bool) -> None:
        self._in_a_row = 0
        self._share *= 1 - _SHARE_WEIGHT
        if self.is_broken():
            self._broken_ms, self._probes, self._opens_ms = None, 0, 0
            self._limit, self._share = float(_FIRST_LIMIT), 0.0
        elif full and self._limit < USUAL:
            self._limit = min(self._limit + (1 / self._limit if self._cautious else 1.0), float(USUAL))
        elif full:
            self._limit = self._gradient.next_limit(
                self._limit, began_ms=began_ms, now_ms=now_ms, cautious=self._cautious
            )

    def _failed(self, signal: Signal, began_ms: int, now_ms: int) -> None:
        self._in_a_row += 1
        self._share += (1 - self._share) * _SHARE_WEIGHT
        if self._broken_ms is not None:
            if began_ms >= self._broken_ms:  # the probe, not an attempt from before it broke
                self._break(now_ms)
        elif self._in_a_row >= _BREAK_AFTER:
            self._break(now_ms)
        elif signal is Signal.SLOW_DOWN or self._share > _FAILING_SHARE:
            self._cut(began_ms, now_ms)

    def _cut(self, began_ms: int, now_ms: int) -> None:
        if began_ms > self._cut_ms:  # once for all attempts that were under way together
            self._limit, self._cautious, self._cut_ms = max(self._limit * _CUT, 1.0), True, now_ms
            self._gradient.cut(now_ms)

    def _break(self, now_ms: int) -> None:
        interval_ms = min(_FIRST_PROBE_MS * 2**self._probes, _LONGEST_PROBE_MS)
        self._probes = min(self._probes + 1, 10)
        self._broken_ms = now_ms if self._broken_ms is None else self._broken_ms
        # Up to a fifth sooner, so that sinks that broke at the same moment are not all probed at the same moment.
        self._opens_ms = max(self._opens_ms, now_ms + round(interval_ms * (1 - self._random() / 5)))


_REFERENCE_RATE: Final = 100.0  # events a second, from the first 429 or 5xx on (the reference's beta documentation)
_REFERENCE_CUT: Final = 0.99
_REFERENCE_LEAST: Final = 1 / 60  # the reference goes down to 0, at which nothing could ever be learnt again
_REFERENCE_QUIET_MS: Final = 5 * 60_000
_REFERENCE_GROWTH_S: Final = 0.01  # "slowly": a hundredth a second, a factor of ten in four minutes
_REFERENCE_FREE: Final = 10_000.0  # above it, the limit is lifted


class ReferencePace:
    """The reference's throttle: 100 events/s from the first failure or refusal on, then times 0.99 with each.

    After five minutes without one, the rate grows again by 1 % a second.
    """

    def __init__(self) -> None:
        self._rate: float | None = None
        self._grown_ms = 0
        self._opens_ms = 0

    def limit(self, now_ms: int, ceiling: int) -> int:
        return 0 if now_ms < self._opens_ms else min(ceiling, USUAL)

    def opens_ms(self) -> int:
        return self._opens_ms

    def rate(self, now_ms: int) -> float | None:
        if self._rate is not None and now_ms > self._grown_ms:
            self._rate *= (1 + _REFERENCE_GROWTH_S) ** ((now_ms - self._grown_ms) / 1000)
            self._grown_ms = now_ms
            if self._rate > _REFERENCE_FREE:
                self._rate = None
        return self._rate

    def is_broken(self) -> bool:
        return False

    def report(self, signal: Signal, *, began_ms: int, now_ms: int, wait_ms: int, full: bool) -> None:  # noqa: ARG002 - part of the protocol
        if signal is not Signal.TOOK:
            rate = self.rate(now_ms)
            self._rate = _REFERENCE_RATE if rate is None else max(rate * _REFERENCE_CUT, _REFERENCE_LEAST)
            self._grown_ms = now_ms + _REFERENCE_QUIET_MS
        if wait_ms > 0:
            self._opens_ms = max(self._opens_ms, now_ms + min(wait_ms, _MOST_WAIT_MS))
