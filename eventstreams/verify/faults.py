"""The interface between a run and the nemesis that inflicts faults on the installation meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Inflicted:
    """One fault that is over.

    Attributes:
        name: The fault's name, as for ``--faults``.
        target: What it was inflicted on, a role or an address.
        began_s: ``time.monotonic()`` when it began.
        ended_s: ``time.monotonic()`` when it was healed, or ended by itself.
        detail: What exactly it was, in words for a report; empty if there is nothing more to say.
    """

    name: str
    target: str
    began_s: float
    ended_s: float
    detail: str = ""


class Nemesis(Protocol):
    """Inflicts faults on an installation while it is in use."""

    async def run(self, stop: asyncio.Event) -> Sequence[Inflicted]:
        """Inflict faults, in sequence or concurrently, until ``stop`` is set; then heal what is still broken.

        Returns once everything is healed, so that everything runs and reaches what it needs. The result is ordered by
        the beginning of the faults. If it is cancelled, it heals too.
        """
        ...
