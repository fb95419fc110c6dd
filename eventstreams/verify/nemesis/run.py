"""Carries out a plan: inflicts each fault at its time, heals it, and reports what was done."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from eventstreams.verify.faults import Inflicted
from eventstreams.verify.nemesis.fault import Fault, Offer, set_within
from eventstreams.verify.nemesis.plan import Kind, Step


def _quiet(_: str) -> None:
    pass


@dataclass(slots=True)
class PlannedNemesis:
    """A ``Nemesis`` that does exactly what its plan says, unless it is told to stop earlier.

    Attributes:
        restored: Awaited at the end, after healing: returns once everything runs and reaches what it needs.
        say: Called with a line for each thing that happens.
    """

    plan: Sequence[Step]
    offers: Sequence[Offer]
    restored: Callable[[], Awaitable[None]] | None = None
    say: Callable[[str], None] = _quiet
    _claims: dict[str, asyncio.Lock] = field(default_factory=dict)
    _done: list[Inflicted] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> Sequence[Inflicted]:
        """See ``Nemesis.run``. If the plan is completed before ``stop`` is set, it still waits for that."""
        makers: Mapping[Kind, Offer] = {offer.kind: offer for offer in self.offers}
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for step in self.plan:
                group.create_task(self._take(step, makers[step.kind], began, stop))
        await stop.wait()
        if self.restored is not None:
            await self.restored()
        return sorted(self._done, key=lambda each: each.began_s)

    async def _take(self, step: Step, offer: Offer, began: float, stop: asyncio.Event) -> None:
        if await set_within(stop, began + step.begins_s - time.monotonic()):
            return
        async with AsyncExitStack() as stack:
            for claim in sorted(step.kind.claims):  # always in the same order, to avoid deadlocks
                await stack.enter_async_context(self._claims.setdefault(claim, asyncio.Lock()))
            if not stop.is_set():
                await self._strike(step, offer.make(step.strength), stop)

    async def _strike(self, step: Step, fault: Fault, stop: asyncio.Event) -> None:
        kind, since = step.kind, time.monotonic()
        self.say(f"{kind.name} {kind.target}: {fault.detail}, for {step.ends_s - step.begins_s:.1f} s")
        try:
            await fault.inflict()
            await set_within(stop, since + step.ends_s - step.begins_s - time.monotonic())
        finally:
            await fault.heal()
            self._done.append(Inflicted(kind.name, kind.target, since, time.monotonic(), fault.detail))
            self.say(f"{kind.name} {kind.target}: healed")
