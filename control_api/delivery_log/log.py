"""The delivery log as the API uses it: asked on the event loop, searched beside it."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from control_api.delivery_log.projector import Projector
from control_api.delivery_log.store import AcceptedEvent, EntryQuery, Lag, LoggedEntry, StoreDamagedError
from control_api.delivery_log.stores import Stores
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock

_SEARCHES: Final = 4  # at once; others wait. Each may read the disk for seconds.

P = ParamSpec("P")
T = TypeVar("T")


class DeliveryLog:
    """Use as ``async with``: it is kept current meanwhile."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        *,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._reader = stores.reader
        self._projector = Projector(settings, stores.writer, metrics=metrics, clock=clock)
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
