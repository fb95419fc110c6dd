"""Replaces every process of a fleet once, one after another."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from eventstreams.verify.faults import Inflicted
from eventstreams.verify.rollout.fleet import Replaced

_NAME: Final = "replace"


class Copy(Protocol):
    """A process to be replaced."""

    @property
    def name(self) -> str: ...


_C = TypeVar("_C", bound=Copy)


class Fleet(Protocol[_C]):
    """What owns the processes; see ``eventstreams.verify.rollout.fleet``."""

    copies: list[_C]

    async def replace(self, copy: _C) -> Replaced: ...


@dataclass(slots=True)
class Rollout(Generic[_C]):
    """A ``Nemesis`` that performs a rolling restart. It completes it even if all events are published before.

    Attributes:
        say: Called with a line for each replacement.
    """

    fleet: Fleet[_C]
    say: Callable[[str], None]

    async def run(self, stop: asyncio.Event) -> Sequence[Inflicted]:
        """See ``Nemesis.run``: replaces each copy that exists at the start; every replacement is one ``Inflicted``."""
        done = []
        for copy in list(self.fleet.copies):
            began = time.monotonic()
            other = await self.fleet.replace(copy)
            detail = f"{other.by} ready after {other.ready_s:.1f} s, then SIGTERM: ended after {other.ended_s:.1f} s"
            self.say(f"{copy.name}: {detail}")
            done.append(Inflicted(_NAME, copy.name, began, time.monotonic(), detail))
        if stop.is_set():
            self.say("the last event was published before the last process was replaced: use more --events")
        await stop.wait()
        return done
