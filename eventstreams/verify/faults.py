"""What is inflicted on an installation while it is verified: the seam between the run and whoever inflicts it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Inflicted:
    """One fault, which is over.

    Attributes:
        name: Of the fault, as ``--faults`` takes it.
        target: What it was inflicted on, a role or an address.
        began_s: ``time.monotonic()`` when it was begun.
        ended_s: ``time.monotonic()`` when it was healed, or ended by itself.
        detail: What it was exactly, in words for a report; empty: nothing more to say.
    """

    name: str
    target: str
    began_s: float
    ended_s: float
    detail: str = ""


class Nemesis(Protocol):
    """Inflicts faults on an installation beside what uses it."""

    async def run(self, stop: asyncio.Event) -> Sequence[Inflicted]:
        """Inflict faults, one after another or side by side, until ``stop`` is set; then heal what is still broken.

        Returns once everything is healed: everything runs, and reaches what it needs. What was inflicted comes back in
        the order in which it began. Where it is cancelled it heals too.
        """
        ...
