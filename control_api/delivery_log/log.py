"""The delivery log as the API uses it: asked on the event loop, searched beside it."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from control_api.delivery_log.projector import Lag, Projector
from control_api.delivery_log.sqlite_reader import SqliteReader
from control_api.delivery_log.sqlite_writer import SqliteWriter
from control_api.delivery_log.store import AcceptedEvent, EntryQuery, LoggedEntry, StoreDamagedError
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock

OFF: Final = frozenset({"", "off"})
_SEARCHES: Final = 4  # at once; others wait. Each may read the disk for seconds.

P = ParamSpec("P")
T = TypeVar("T")


class DeliveryLog:
    """Use as ``async with``: it is kept current meanwhile."""

    def __init__(
        self,
        settings: Settings,
        file: Path,
        *,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        retention, max_bytes = settings.delivery_log_retention, settings.delivery_log_max_mib << 20
        self._reader = SqliteReader(file, retention_ms=retention // timedelta(milliseconds=1), clock=clock)
        self._projector = Projector(
            settings,
            SqliteWriter(file, retention=retention, max_bytes=max_bytes),
            metrics=metrics,
            clock=clock,
        )
        self._searching = asyncio.Semaphore(_SEARCHES)
        self._stack = ExitStack()

    async def __aenter__(self) -> Self:
        self._stack.callback(self._reader.close)
        self._stack.enter_context(self._projector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._stack.close)

    @property
    def lag(self) -> Lag | None:
        """None while it is not known."""
        return self._projector.lag

    async def entries(self, query: EntryQuery) -> list[LoggedEntry]:
        """What ``query`` asks for, newest first.

        Raises:
            StoreUnavailableError: not now.
            SearchTooLongError: it was given up.
        """
        return list(await self._search(self._reader.entries, query))

    async def event(self, account_sid: str, event_id: str) -> AcceptedEvent | None:
        """The account's event ``event_id``, as it was accepted; raises as ``entries`` does."""
        return await self._search(self._reader.event, account_sid, event_id)

    async def _search(self, search: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._searching:
            try:
                return await asyncio.to_thread(search, *args, **kwargs)
            except StoreDamagedError:
                self._projector.rebuild()
                raise


def file_of(settings: Settings) -> Path | None:
    """The log's file; None where there is to be none."""
    if settings.delivery_log is None:
        return _state_folder() / "eventstreams" / f"{settings.topic_prefix}delivery-log.db"
    return None if settings.delivery_log.strip() in OFF else Path(settings.delivery_log)


def _state_folder() -> Path:
    """By the XDG base directory specification; a folder for temporary files where the user has no home."""
    if home := os.environ.get("XDG_STATE_HOME"):
        return Path(home)
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError:
        return Path(tempfile.gettempdir())
