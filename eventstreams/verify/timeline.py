"""Samples the progress of a run, for its plots; bounded in memory however long it takes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 1_000
_STEP_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample. ``at_s``: seconds since the run began; ``delivered``: by subscription."""

    at_s: float
    acknowledged: int
    delivered: Sequence[int]


@dataclass(slots=True)
class Timeline:
    """Samples at a steady rate; if there are too many, every second one is dropped, and the rate is halved.

    Attributes:
        look: Returns the acknowledged and, by subscription, the delivered events.
        told: Called with each sample.
        began: ``time.monotonic()`` when it began.
        stalled_s: The longest delay of a sample, which shows how busy this machine was.
    """

    look: Callable[[], tuple[int, Sequence[int]]]
    told: Callable[[Sample], None] = lambda _: None
    began: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    stalled_s: float = 0.0
    _step_s: float = _STEP_S

    async def keep(self) -> None:
        """Take samples, forever."""
        while True:
            self.take()
            due = time.monotonic() + self._step_s
            await asyncio.sleep(self._step_s)
            self.stalled_s = max(self.stalled_s, time.monotonic() - due)

    def take(self) -> None:
        acknowledged, delivered = self.look()
        sample = Sample(time.monotonic() - self.began, acknowledged, delivered)
        self.samples.append(sample)
        self.told(sample)
        if len(self.samples) > _MOST:
            del self.samples[1::2]
            self._step_s *= 2
