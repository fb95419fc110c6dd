"""Shows the progress of a run to the person who waits: a bar on the terminal, below the messages. On stderr."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from eventstreams.verify.timeline import Sample


class Display:
    """Use as ``with``. Without a terminal it shows nothing: the messages are enough for a log."""

    def __init__(self, *, total: int) -> None:
        """``total``: roughly how many events will be acknowledged; then the bar is full."""
        console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.completed:,} published, {task.fields[delivered]:,} delivered"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # otherwise messages would go to the terminal, not to their file
        )
        self._task = self._progress.add_task("", total=total, delivered=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, sample: Sample) -> None:
        """Update the bar from ``sample``, with the deliveries of all subscriptions together."""
        delivered = sum(sample.delivered)
        self._progress.update(self._task, completed=sample.acknowledged, delivered=delivered, refresh=True)
