"""Takes apart what closed accounts leave: routes first, then, once nothing waits any more, sinks and keys.

    closed ─► subscriptions are deleted: no event is copied to them, what waits becomes dead letters (see janitor)
           ─► when the last one is gone: the sinks, with their secrets
    its API keys go at once; its record stays, so that its SID is never somebody else's

Works from the snapshot alone, so it goes on after a restart where it was.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from control_api.plane import ControlPlane
from eventstreams.control.records import Account, AccountStatus, SubscriptionState
from eventstreams.control.snapshot import Change
from eventstreams.errors import EventStreamsError
from eventstreams.telemetry.logging import get_logger

_AGAIN_S: Final = 2.0  # after Kafka refused

_log = get_logger(__name__)


class Closer:
    """``await run()`` works for ever."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._changed = asyncio.Event()
        plane.feed.listen(self._on_change)

    async def run(self) -> None:
        """Look after every account that is closed, now and later."""
        while True:
            self._changed.clear()
            try:
                for account in self._closed():
                    await self._take_apart(account)
            except EventStreamsError as error:
                _log.warning("account.not_taken_apart", error=str(error), follows="again")
                await asyncio.sleep(_AGAIN_S)
            else:
                await self._changed.wait()

    def _closed(self) -> Sequence[Account]:
        snapshot = self._plane.feed.snapshot
        closed = (each for each in snapshot.accounts.values() if snapshot.status_of(each) is AccountStatus.CLOSED)
        return [each for each in closed if self._has_something(each.sid)]

    def _has_something(self, account_sid: str) -> bool:
        """Whether there is anything to take apart now; sinks wait until the last subscription is gone."""
        snapshot = self._plane.feed.snapshot
        subscriptions = list(snapshot.subscriptions_of(account_sid))
        return (
            any(True for _ in snapshot.keys_of(account_sid))
            or any(each.state is SubscriptionState.ACTIVE for each in subscriptions)
            or (not subscriptions and any(True for _ in snapshot.sinks_of(account_sid)))
        )

    async def _take_apart(self, account: Account) -> None:
        plane, snapshot = self._plane, self._plane.feed.snapshot
        async with plane.writing:
            for key in list(snapshot.keys_of(account.sid)):
                await plane.writer.remove(key.sid)
            subscriptions = list(snapshot.subscriptions_of(account.sid))
            for each in subscriptions:
                if each.state is SubscriptionState.ACTIVE:
                    ending = replace(each, state=SubscriptionState.DELETING, updated_ms=plane.clock())
                    await plane.writer.put(ending)
            if not subscriptions:
                for sink in list(snapshot.sinks_of(account.sid)):
                    await plane.writer.remove(sink.sid)

    def _on_change(self, change: Change) -> None:
        changed = change.after or change.before
        if isinstance(changed, Account):
            self._changed.set()
        elif changed is not None:
            account = self._plane.feed.snapshot.accounts.get(changed.account_sid)
            if account is not None and self._plane.feed.snapshot.status_of(account) is AccountStatus.CLOSED:
                self._changed.set()
