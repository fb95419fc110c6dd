"""Shows how publishing goes: a progress bar on a terminal, messages about failures, and a summary. On stderr."""

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_LINE_EVERY_S: Final = 10.0  # without a terminal; rare enough for a log


class Display:
    """Use as ``with``; leaving prints the summary. Without a terminal, prints a line now and then instead of a bar."""

    def __init__(self, *, total: float | None) -> None:
        """A display.

        Args:
            total: The value of ``done`` at the end, in any unit; None if unknown.
        """
        self.accepted = 0
        self.failed = 0
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn(
                "{task.fields[accepted]:,} accepted, {task.fields[failed]:,} failed, {task.fields[rate]:,.0f}/s"
            ),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, accepted=0, failed=0, rate=0.0)
        self._began = self._said = time.monotonic()
        self._took_s: float | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._took_s = self._elapsed_s
        self.say(self._counts())

    def add(self, *, accepted: int, failed: int, done: float | None = None) -> None:
        """Add to the counts; ``done`` is the total progress so far."""
        self.accepted += accepted
        self.failed += failed
        self._progress.update(self._task, completed=done, accepted=self.accepted, failed=self.failed, rate=self._rate)
        if not self._console.is_terminal and time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            self.say(self._counts())

    def summary(self) -> dict[str, object]:
        """The counts as values."""
        return {
            "accepted": self.accepted,
            "failed": self.failed,
            "seconds": round(self._elapsed_s, 3),
            "rate": round(self._rate, 1),
        }

    def _counts(self) -> str:
        events = "event" if self.accepted == 1 else "events"
        return (
            f"{self.accepted} {events} accepted, {self.failed} failed, in {self._elapsed_s:.1f} s ({self._rate:.0f}/s)"
        )

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began if self._took_s is None else self._took_s

    @property
    def _rate(self) -> float:
        return self.accepted / self._elapsed_s if self._elapsed_s else 0.0

    def say(self, text: str) -> None:
        """Print a line above the progress bar. Non-printable characters are replaced, as text may come from outside."""
        shown = "".join(character if character.isprintable() else "\ufffd" for character in text)
        self._console.print(shown, markup=False, soft_wrap=True)

    @property
    def exit_code(self) -> int:
        return 1 if self.failed else 0
