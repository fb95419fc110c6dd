"""How publishing goes, for the person who waits: a progress bar on a terminal, complaints, and a summary. On stderr."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Display:
    """Use as ``with``; leaving prints the summary. Without a terminal there is no progress bar."""

    def __init__(self, *, total: float | None) -> None:
        """A display.

        Args:
            total: What ``done`` will be at the end, in any unit; None where nobody knows.
        """
        self.accepted = 0
        self.failed = 0
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.fields[accepted]} accepted, {task.fields[failed]} failed"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, accepted=0, failed=0)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        took_s = time.monotonic() - self._began
        rate = self.accepted / took_s if took_s else 0
        self.say(f"{self.accepted} events accepted, {self.failed} failed, in {took_s:.1f} s ({rate:.0f}/s)")

    def add(self, *, accepted: int, failed: int, done: float | None = None) -> None:
        """Count; ``done`` is how far it has come in all."""
        self.accepted += accepted
        self.failed += failed
        self._progress.update(self._task, completed=done, accepted=self.accepted, failed=self.failed)

    def say(self, text: str) -> None:
        """A line that stays. What may have come from outside cannot steer the terminal."""
        shown = "".join(character if character.isprintable() else "\ufffd" for character in text)
        self._console.print(shown, markup=False, soft_wrap=True)

    @property
    def exit_code(self) -> int:
        return 1 if self.failed else 0
