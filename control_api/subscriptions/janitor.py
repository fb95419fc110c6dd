"""Ends deleted subscriptions: once the workers have settled what their topic held, the topic goes, then the record.

Works from the snapshot alone, so it goes on after a restart where it was.
"""

import asyncio
from typing import Final

from control_api.plane import ControlPlane
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.control.snapshot import Change
from eventstreams.errors import EventStreamsError
from eventstreams.telemetry.logging import get_logger

# Routers match against routes no older than the runs that they read, so nothing is copied to a deleted
# subscription that was not in flight when it was deleted; this is many times longer than that lasts.
_GRACE_MS: Final = 5_000
_LOOK_S: Final = 2.0

_log = get_logger(__name__)


class Janitor:
    """``await run()`` works for ever; one of the replicas does."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._changed = asyncio.Event()
        self._deleting = {sid for sid, each in plane.feed.snapshot.subscriptions.items() if _is_deleting(each)}
        plane.feed.listen(self._on_change)

    async def run(self) -> None:
        """Look after every subscription that is being deleted, now and later."""
        while True:
            self._changed.clear()
            there = self._plane.feed.snapshot.subscriptions
            waiting = [each for sid in self._deleting if (each := there.get(sid)) is not None]
            for subscription in waiting:
                try:
                    await self._finish(subscription)
                except EventStreamsError as error:
                    _log.warning("subscription.not_removed", sid=subscription.sid, error=str(error), follows="again")
            if waiting:
                await asyncio.sleep(_LOOK_S)
            else:
                await self._changed.wait()

    async def _finish(self, subscription: Subscription) -> None:
        plane = self._plane
        if plane.clock() < subscription.updated_ms + _GRACE_MS:
            return
        topic = plane.topics.subscription(subscription.sink_type, subscription.sid)
        group = plane.topics.group(f"worker.{subscription.sink_type}")
        if not await plane.admin.has_settled(group, topic):
            return
        await plane.admin.delete([topic])
        async with plane.writing:
            await plane.writer.remove(subscription.sid)
        _log.info("subscription.removed", sid=subscription.sid)

    def _on_change(self, change: Change) -> None:
        if isinstance(change.after, Subscription) and _is_deleting(change.after):
            self._deleting.add(change.after.sid)
            self._changed.set()
        elif isinstance(change.before, Subscription):
            self._deleting.discard(change.before.sid)


def _is_deleting(subscription: Subscription) -> bool:
    return subscription.state is SubscriptionState.DELETING
