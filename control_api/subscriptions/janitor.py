"""Cleans up deleted subscriptions: once workers have settled everything in the topic, removes it and the record.

It works from the snapshot alone, so after a restart it continues where it was.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from control_api.plane import ControlPlane
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.control.snapshot import Change
from eventstreams.errors import EventStreamsError
from eventstreams.telemetry.logging import get_logger

# Routers match against routes that are no older than the run of records they read, so only events that were in flight
# when a subscription was deleted are still copied to it; this is many times longer than that takes.
_GRACE_S: Final = 5.0
_LOOK_S: Final = 2.0

_log = get_logger(__name__)


class Janitor:
    """Cleans up after deleted subscriptions. ``run()`` never returns; only the primary runs it."""

    def __init__(self, plane: ControlPlane, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: monotonic, in s. The time of day can be changed, and differs between replicas."""
        self._plane = plane
        self._clock = clock
        self._changed = asyncio.Event()
        there = plane.feed.snapshot.subscriptions.items()
        self._deleting = {sid: clock() for sid, each in there if _is_deleting(each)}  # since when it is known
        plane.feed.listen(self._on_change)

    async def run(self) -> None:
        """Clean up every subscription that is being deleted, now or later."""
        while True:
            self._changed.clear()
            if await self.look():
                await asyncio.sleep(_LOOK_S)
            else:
                await self._changed.wait()

    async def look(self) -> bool:
        """Finish the deletions that can be finished; return whether there were any to look after."""
        there, now_s = self._plane.feed.snapshot.subscriptions, self._clock()
        known = [(each, since_s) for sid, since_s in self._deleting.items() if (each := there.get(sid)) is not None]
        for subscription, since_s in known:
            if now_s < since_s + _GRACE_S:
                continue
            try:
                await self._finish(subscription)
            except EventStreamsError as error:
                _log.warning("subscription.not_removed", sid=subscription.sid, error=str(error), follows="again")
        return bool(known)

    async def _finish(self, subscription: Subscription) -> None:
        plane = self._plane
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
            self._deleting.setdefault(change.after.sid, self._clock())
            self._changed.set()
        elif isinstance(change.before, Subscription):
            self._deleting.pop(change.before.sid, None)


def _is_deleting(subscription: Subscription) -> bool:
    return subscription.state is SubscriptionState.DELETING
