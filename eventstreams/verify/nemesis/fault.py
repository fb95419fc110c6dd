"""What a fault is: something to inflict and to heal, and what a plan knows of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eventstreams.verify.nemesis.plan import Kind


class Fault(Protocol):
    """One fault, for once. What it does in between it does by itself."""

    @property
    def detail(self) -> str:
        """What it does, with its figures, for people."""
        ...

    async def inflict(self) -> None:
        """Begin. Where this fails, ``heal`` is called all the same."""
        ...

    async def heal(self) -> None:
        """Have all as it was before. May be called at any time after ``inflict`` was begun; never raises for what is
        gone by itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A fault that can be had here.

    Attributes:
        make: One of a strength from 0 to 1.
    """

    kind: Kind
    make: Callable[[float], Fault]


def between(low: float, high: float, strength: float) -> float:
    """The figure that ``strength``, from 0 to 1, is worth."""
    return low + (high - low) * strength


def offer(
    name: str, target: str, make: Callable[[float], Fault], *, claims: set[str], lasts_s: tuple[float, float]
) -> Offer:
    """An offer in one line."""
    return Offer(Kind(name, target, frozenset(claims), lasts_s), make)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether ``event`` was set within so many seconds."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return False
    return True
