"""Whether a part of a process gets on with the work that it has. Pure but for what it is given to look at."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Work:
    """What one part has to do, as somebody sees it who looks now and then.

    Attributes:
        waiting: How much there is to do now; 0: it may rest.
        done: How much it has done so far; only whether it has changed counts.
    """

    waiting: Callable[[], int]
    done: Callable[[], int]
    _seen: int | None = field(default=None, init=False)
    _since: float | None = field(default=None, init=False)  # none of what waits was done; None: nothing waits

    def look(self, now: float) -> None:
        """Take note of how it stands at ``now``, seconds of a clock that never goes back."""
        done = self.done()
        if not self.waiting():
            self._since = None
        elif self._since is None or done != self._seen:
            self._since = now
        self._seen = done

    def idle_s(self, now: float) -> float:
        """For how long there has been work of which none was done."""
        return 0.0 if self._since is None else now - self._since
