"""How receivers behave: what they do with a request, depending on its content and a seed. Pure."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from eventstreams.reasons import DeadReason

_HUGE: Final = 10 << 20
_SLOW_S: Final = (0.2, 1.5)
_HANG_S: Final = 8.0  # longer than the five seconds that a delivery waits for an answer
_DROPS: Final = 2
_FIBONACCI: Final = (1, 1, 2, 3, 5, 8)
_REFUSED_OF: Final = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: the numbers of its events, and how often each has arrived, including this time."""

    numbers: Sequence[int]
    arrivals: Sequence[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with ``status`` after ``after_s`` seconds, with ``size`` bytes of body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Hang:
    """Do not answer for ``for_s`` seconds, then close the connection."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection without an answer."""


Reaction = Answer | Hang | Reset
Decide = Callable[[Seen], Reaction]
_OK: Final = Answer(200)


class Listener(StrEnum):
    """How a receiver is reached.

    ``tls``: over TLS, with an untrusted certificate half of the time.
    ``forbidden``: at an address that no worker may connect to, so that nothing may ever arrive.
    """

    PLAIN = "plain"
    TLS = "tls"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A kind of receiver.

    Attributes:
        make: Creates the function that decides for one such receiver, given a seeded generator.
        batches: Whether its sink may put several events into one request.
        healthy: Whether it never fails and is never late, so that without other faults nothing may arrive twice.
        dead: Reasons for which its events may become dead letters however short the run is.
        ttl: How long its events are tried; None: as long as the installation does.
        recovers: Whether it becomes healthy when the faults end; otherwise it carries on.
        listener: How it is reached.
    """

    make: Callable[[random.Random], Decide]
    batches: bool = True
    healthy: bool = False
    dead: frozenset[DeadReason] = frozenset()
    ttl: timedelta | None = None
    recovers: bool = True
    listener: Listener = Listener.PLAIN


def _always(reaction: Reaction) -> Callable[[random.Random], Decide]:
    return lambda _: lambda _seen: reaction


def _sometimes(share: float, *reactions: Reaction) -> Callable[[random.Random], Decide]:
    """Answer a ``share`` of the requests with one of ``reactions``."""

    def make(draw: random.Random) -> Decide:
        return lambda _: draw.choice(reactions) if draw.random() < share else _OK

    return make


def _slow(draw: random.Random) -> Decide:
    return lambda _: Answer(200, after_s=draw.uniform(*_SLOW_S))


def _drop_n(_: random.Random) -> Decide:
    """Fail the first two requests with each event."""
    return lambda seen: Answer(503) if min(seen.arrivals, default=_DROPS + 1) <= _DROPS else _OK


def _fibonacci(_: random.Random) -> Decide:
    """Fail as many times in a row as each Fibonacci number says, with one success after each row."""
    left = [count for row in _FIBONACCI for count in (*[1] * row, 0)]
    place = 0

    def decide(_seen: Seen) -> Reaction:
        nonlocal place
        fails = left[place % len(left)]
        place += 1
        return Answer(500) if fails else _OK

    return decide


def _throttled(draw: random.Random) -> Decide:
    """Throttle one in ten requests, with ``Retry-After``."""
    return lambda _: Answer(429, {"Retry-After": "1"}) if draw.random() < 0.1 else _OK  # noqa: PLR2004 - a tenth


def _refusing(_: random.Random) -> Decide:
    """Refuse certain events for good; refuse a batch with one of them as a whole, so that each is resent alone."""
    return lambda seen: Answer(422) if any(each % _REFUSED_OF == 0 for each in seen.numbers) else _OK


_EXPIRES: Final = frozenset({DeadReason.EXPIRED})
_SHORT_LIFE: Final = timedelta(seconds=20)
BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "healthy": Behaviour(_always(_OK), healthy=True),
    "single": Behaviour(_always(_OK), batches=False, healthy=True),
    "failing": Behaviour(_sometimes(0.2, Answer(500), Answer(502), Answer(503))),
    "slow": Behaviour(_slow, recovers=False),
    "throttled": Behaviour(_throttled),
    "drop-n": Behaviour(_drop_n),
    "resetting": Behaviour(_sometimes(0.1, Reset())),
    "refusing": Behaviour(_refusing, dead=frozenset({DeadReason.REFUSED}), recovers=False),
    "bad-tls": Behaviour(_always(_OK), listener=Listener.TLS),
    "hanging": Behaviour(_sometimes(0.03, Hang(_HANG_S))),
    "fibonacci": Behaviour(_fibonacci),
    "huge": Behaviour(_sometimes(0.05, Answer(200, size=_HUGE)), recovers=False),
    "away": Behaviour(_always(Answer(503))),
    "redirecting": Behaviour(_sometimes(0.1, Answer(302, {"Location": "/elsewhere"}))),
    "down": Behaviour(_always(Answer(503)), dead=_EXPIRES, ttl=_SHORT_LIFE, recovers=False),
    "forbidden": Behaviour(_always(_OK), dead=_EXPIRES, ttl=_SHORT_LIFE, recovers=False, listener=Listener.FORBIDDEN),
}
"""All behaviours by name, in the order in which a run uses them."""


def is_success(reaction: Reaction) -> bool:
    """Whether a sender may regard the events as delivered after this reaction."""
    return isinstance(reaction, Answer) and 200 <= reaction.status < 300  # noqa: PLR2004 - as HTTP has it


def is_refusal(reaction: Reaction, seen: Seen) -> bool:
    """Whether the request has a single event and this reaction refuses it for good."""
    return isinstance(reaction, Answer) and reaction.status == 422 and len(seen.numbers) == 1  # noqa: PLR2004
