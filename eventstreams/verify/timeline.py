"""How far a run was, second by second, for its plots; bounded however long it takes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 1_000
_STEP_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """``at_s``: since the run began; ``delivered``: by subscription."""

    at_s: float
    acknowledged: int
    delivered: Sequence[int]


@dataclass(slots=True)
class Timeline:
    """Samples at an even pace; where there are too many every second one goes, and the pace is halved.

    Attributes:
        told: Of each sample as it is taken.
        began: ``time.monotonic()``.
        stalled_s: The longest that a sample came too late: how busy this machine was.
    """

    look: Callable[[], tuple[int, Sequence[int]]]
    told: Callable[[Sample], None] = lambda _: None
    began: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    stalled_s: float = 0.0
    _step_s: float = _STEP_S

    async def keep(self) -> None:
        """Take samples, for ever."""
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
