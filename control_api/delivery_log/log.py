"""The delivery log as the API uses it: called on the event loop, searched in threads."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from control_api.delivery_log.projector import Projector
from control_api.delivery_log.store import (
    AcceptedEvent,
    EntryQuery,
    EventQuery,
    EventTally,
    Lag,
    LastKind,
    LoggedEntry,
    Span,
    StoreDamagedError,
    Tally,
)
from control_api.delivery_log.stores import Stores
from control_api.http.fair_semaphore import FairSemaphore
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock

_SEARCHES: Final = 4  # at the same time; others wait. Each may read the disk for seconds.
_OF_ONE: Final = 2  # of them, for one customer

P = ParamSpec("P")
T = TypeVar("T")


class DeliveryLog:
    """Use as ``async with``: inside the block, it is kept up to date."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        *,
        metrics: Metrics,
        clock: Clock,
        customer_of: Callable[[str], str],
    ) -> None:
        """``customer_of``: maps an account's SID to the customer whose searches are limited together."""
        self._reader = stores.reader
        self._projector = Projector(settings, stores.writer, metrics=metrics, clock=clock)
        self._searching = FairSemaphore(most=_SEARCHES, of_one=_OF_ONE, customer_of=customer_of)
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
        """How far the log is behind; None while that is not known."""
        return self._projector.lag

    async def entries(self, query: EntryQuery) -> list[LoggedEntry]:
        """The entries that match ``query``, newest first.

        Raises:
            StoreUnavailableError: the store cannot be read just now.
            SearchTooLongError: the search took too long.
            RefusedError: too many searches are waiting.
        """
        return list(await self._search(query.account_sid, self._reader.entries, query))

    async def events(self, query: EventQuery) -> list[AcceptedEvent]:
        """The events that match ``query``, newest first; raises like ``entries``."""
        return list(await self._search(query.account_sid, self._reader.events, query))

    async def tallies(self, span: Span) -> tuple[Sequence[EventTally], Sequence[Tally]]:
        """Counts of the events accepted and the entries logged in ``span``; raises like ``entries``."""
        accepted = await self._search(span.account_sid, self._reader.tally_events, span)
        return accepted, await self._search(span.account_sid, self._reader.tally, span)

    async def last_kinds(self, account_sid: str, event_ids: Sequence[str], from_ms: int) -> Sequence[LastKind]:
        """The last entry's kind for each of ``event_ids`` and subscription of the account; raises like ``entries``."""
        return await self._search(account_sid, self._reader.last_kinds, account_sid, event_ids, from_ms)

    async def event(self, account_sid: str, accounts: Sequence[str], event_id: str) -> AcceptedEvent | None:
        """The accepted event ``event_id`` of one of ``accounts``, for ``account_sid``; raises like ``entries``."""
        return await self._search(account_sid, self._reader.event, accounts, event_id)

    async def _search(self, asks: str, search: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._searching.slot(asks):
            try:
                return await asyncio.to_thread(search, *args, **kwargs)
            except StoreDamagedError:
                self._projector.rebuild()
                raise
