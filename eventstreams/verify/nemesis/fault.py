"""What a fault is: something to inflict and to heal, and how a plan knows it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eventstreams.verify.nemesis.plan import Kind


class Fault(Protocol):
    """One fault, used once. Between ``inflict`` and ``heal`` it acts by itself."""

    @property
    def detail(self) -> str:
        """What it does, with figures, for people."""
        ...

    async def inflict(self) -> None:
        """Begin. If this fails, ``heal`` is called nevertheless."""
        ...

    async def heal(self) -> None:
        """Restore everything. May be called at any time after ``inflict`` was begun.

        Does not raise if what it attacked has ended by itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A fault that is possible here.

    Attributes:
        make: Makes the fault with a strength from 0 to 1.
    """

    kind: Kind
    make: Callable[[float], Fault]


def between(low: float, high: float, strength: float) -> float:
    """The value between ``low`` and ``high`` for ``strength``, from 0 to 1."""
    return low + (high - low) * strength


def offer(
    name: str, target: str, make: Callable[[float], Fault], *, claims: set[str], lasts_s: tuple[float, float]
) -> Offer:
    """Make an ``Offer`` and its ``Kind`` in one line."""
    return Offer(Kind(name, target, frozenset(claims), lasts_s), make)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for ``event`` for at most ``seconds``; returns whether it was set."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return False
    return True
