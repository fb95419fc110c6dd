"""Detects that a part of a process has work but makes no progress. Pure, except for the callables it is given."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Work:
    """The progress of one part, as sampled at intervals.

    Attributes:
        waiting: Returns how much there is to do now; 0 means that the part may be idle.
        done: Returns how much it has done so far; only whether that has changed counts.
    """

    waiting: Callable[[], int]
    done: Callable[[], int]
    _seen: int | None = field(default=None, init=False)
    _since: float | None = field(default=None, init=False)  # since when there is work without progress; None: no work

    def look(self, now: float) -> None:
        """Take a sample at ``now``, seconds by a monotonic clock."""
        done = self.done()
        if not self.waiting():
            self._since = None
        elif self._since is None or done != self._seen:
            self._since = now
        self._seen = done

    def idle_s(self, now: float) -> float:
        """How many seconds there has been work without progress."""
        return 0.0 if self._since is None else now - self._since
