"""Removes topics that belong to no subscription, left by a crash between topic and record, or by a failed deletion.

Only the primary does, and only if a topic

- has the name of a subscription topic of this installation, and no subscription in the snapshot, which is updated after
  the topics are listed,
- has been in that state at every look for a grace period, which is longer than any creation takes,
- has no records: waiting events are never removed, whatever the snapshot says,
- is one of only a few: a crash leaves few. Many at once look like a lost control topic or a wrong prefix, and are left
  to a person.

A new primary also makes topics keep waiting events for long enough: see ``retention``.

Topics of a sink type that is gone are reported, but removed only when the operator names them: they may be used by a
worker with a plugin that is not installed here.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.plane import ControlPlane
from control_api.topics.orphans import OwnTopic, Sightings, survey
from control_api.topics.retention import keep_what_waits
from eventstreams.errors import EventStreamsError
from eventstreams.http import RefusedError
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import TopicKind

MOST_AT_ONCE: Final = 50
"""The most orphans that one look removes; if there are more, none is. Fewer creations are under way at a time."""
_LOOK_S: Final = 60.0
_BY_HAND_S: Final = 120.0  # the grace period for topics that the operator names: longer than any creation takes

_log = get_logger(__name__)


class Reconciler:
    """Removes orphaned topics. ``run()`` never returns and is for the primary; the rest serves the operator's API."""

    def __init__(
        self,
        plane: ControlPlane,
        settings: Settings,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        look_s: float | None = None,
    ) -> None:
        """``look_s``: how often to look; by default once a minute, or four times in a short grace period."""
        self._plane = plane
        self._metrics = metrics
        self._clock = clock
        self._grace_s = settings.orphan_grace.total_seconds()
        self._removes = settings.remove_orphans
        self._look_s = min(_LOOK_S, self._grace_s / 4) if look_s is None else look_s
        self._by_hand_s = min(_BY_HAND_S, self._grace_s)
        self._sightings = self._none_seen()

    async def run(self) -> None:
        """Look periodically. With a new primary, all grace periods start again."""
        self._sightings, kept = self._none_seen(), False
        try:
            while True:
                try:
                    if not kept:  # once is enough: topics that this process creates are right from the start
                        kept = await keep_what_waits(self._plane.admin, self._plane.topics)
                    await self.look()
                except EventStreamsError as error:  # Kafka refused, or this is no longer the primary
                    _log.warning("topics.not_reconciled", error=str(error), follows="again")
                await asyncio.sleep(self._look_s)
        finally:
            self._tell(())  # the next primary exports the figures

    async def look(self) -> Sequence[str]:
        """Look once; return the topics that were removed."""
        found = await self.topics()
        self._sightings.see([each.name for each in found if each.orphaned], self._clock())
        self._tell(found)
        due = [each.name for each in found if self._may_go(each)]
        if len(due) > MOST_AT_ONCE:
            _log.error(
                "topics.too_many_orphans",
                count=len(due),
                most=MOST_AT_ONCE,
                follows="none are removed: docs/partition-budget.md says what to do",
            )
            return ()
        return await self._remove_empty(due) if due else ()

    async def topics(self) -> Sequence[OwnTopic]:
        """All topics of this installation, sorted by name."""
        return self._survey(await self._existing())

    async def records(self, names: Sequence[str]) -> Mapping[str, int]:
        """The most records that each of ``names`` may have; missing topics are left out."""
        held: Counter[str] = Counter()
        for each in await self._plane.admin.ranges(names) if names else ():
            held[each.topic] += each.records
        return held

    async def remove(self, name: str) -> None:
        """Remove the orphaned topic ``name`` for the operator.

        Raises:
            RefusedError: 404: it is not a topic of this installation. 409: it is in use, was recently, or has records.
        """
        found = {each.name: each for each in await self.topics()}.get(name)
        if found is None:
            raise RefusedError("This installation has no such topic", status=HTTPStatus.NOT_FOUND)
        if not found.orphaned:
            raise _conflict(f"Topic {name} is in use")
        if self._sightings.age_s(name) < self._by_hand_s:
            raise _conflict(
                f"Topic {name} may belong to a subscription that is being created: try again in two minutes"
            )
        if not await self._remove_empty([name]):
            raise _conflict(f"Topic {name} holds records: it can be removed once they have expired")

    def _may_go(self, topic: OwnTopic) -> bool:
        return (
            self._removes
            and topic.orphaned
            and topic.told.kind is TopicKind.SUBSCRIPTION
            and self._sightings.age_s(topic.name) >= self._grace_s
        )

    async def _remove_empty(self, names: Sequence[str]) -> Sequence[str]:
        """Remove those of the orphaned topics ``names`` that are empty; return their names."""
        # Kafka is asked before the turn to write is taken, as that takes a while. With the turn, later writes are
        # known.
        held, existing = await self.records(names), await self._existing()
        async with self._plane.writing:  # as the primary, and including staged writes
            orphans = {each.name for each in self._survey(existing) if each.orphaned}
        empty = [name for name in names if name in orphans and not held.get(name)]
        await self._plane.admin.delete(empty)
        for name in empty:
            self._metrics.topics.removed.inc()
            _log.info("topic.removed", topic=name, because="it belonged to no subscription")
        return empty

    async def _existing(self) -> Mapping[str, int]:
        existing = await self._plane.admin.topics()
        await self._plane.feed.catch_up()  # after listing, so that owners of all listed topics are known
        return existing

    def _survey(self, existing: Mapping[str, int]) -> Sequence[OwnTopic]:
        return survey(existing, self._plane.topics, self._plane.snapshot, self._plane.delivered_types)

    def _tell(self, found: Sequence[OwnTopic]) -> None:
        there = Counter(each.told.kind for each in found)
        orphaned = Counter(each.told.kind for each in found if each.orphaned)
        for kind in TopicKind:
            self._metrics.topics.there.labels(kind).set(there[kind])
            self._metrics.topics.orphaned.labels(kind).set(orphaned[kind])

    def _none_seen(self) -> Sightings:
        return Sightings(most_step_s=2 * self._look_s)


def _conflict(message: str) -> RefusedError:
    return RefusedError(message, status=HTTPStatus.CONFLICT)


RECONCILER: Final = web.AppKey("reconciler", Reconciler)
