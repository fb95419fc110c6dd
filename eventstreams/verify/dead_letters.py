"""Finds out which events became dead letters, and why: from Kafka if it is given, otherwise from the API."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from eventstreams import headers as names
from eventstreams.client import AsyncEventStreams, Which
from eventstreams.errors import TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.ranges import Range, RangeReader
from eventstreams.kafka.records import Partition
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from eventstreams.verify.plan import Plan

UNKNOWN_REASON: Final = 255
_OVERLAP: Final = timedelta(seconds=5)  # times in answers are truncated to seconds
_RECORDS: Final = 1_000
_LOOK_S: Final = 10.0
_CODES: Final[Mapping[str, int]] = {reason: place + 1 for place, reason in enumerate(DeadReason)}


def code_of(reason: DeadReason) -> int:
    """The number for ``reason`` in ``DeadLetters.dead``."""
    return _CODES[reason]


def reason_of(code: int) -> DeadReason | None:
    """The reason for a number in ``DeadLetters.dead``; None if it is none that this release knows."""
    return next((reason for reason in DeadReason if _CODES[reason] == code), None)


class DeadLetters:
    """The dead letters of a run seen so far: a byte for each event of each subscription.

    Attributes:
        dead: By subscription, a byte for each event: 0, or the number of the reason.
        records: By subscription, the number of dead letters; two of the same event count as two.
        foreign: By subscription, the event ids of dead letters that do not belong to this run.
    """

    def __init__(self, plan: Plan, subscription_sids: Sequence[str]) -> None:
        self._plan = plan
        self.dead = {sid: bytearray(plan.event_count) for sid in subscription_sids}
        self.records = dict.fromkeys(subscription_sids, 0)
        self.foreign: dict[str, list[str]] = {sid: [] for sid in subscription_sids}

    def add(self, subscription_sid: str | None, event_id: str | None, reason: str | None) -> None:
        """Add one dead letter, which was not added before."""
        if subscription_sid not in self.dead:
            return
        self.records[subscription_sid] += 1
        number = self._plan.number_of(event_id)
        if number is None:
            self.foreign[subscription_sid].append(str(event_id))
        else:
            self.dead[subscription_sid][number] = _CODES.get(reason or "", UNKNOWN_REASON)


class DeadLetterSource(Protocol):
    """A source of dead letters."""

    async def look(self, dead_letters: DeadLetters) -> None:
        """Add all dead letters that exist at the time of the call and were not added before.

        Raises:
            EventStreamsError: there may be more; those that were added will not be added again.
        """
        ...


class ApiDeadLetters:
    """Asks the API, for each subscription, for the dead letters since the last one that it reported."""

    def __init__(self, api: AsyncEventStreams, subscription_sids: Sequence[str]) -> None:
        self._api = api
        self._newest: dict[str, datetime | None] = dict.fromkeys(subscription_sids)
        self._seen: dict[str, datetime] = {}

    async def look(self, dead_letters: DeadLetters) -> None:
        for sid, newest in self._newest.items():
            after = None if newest is None else newest - _OVERLAP
            async for each in self._api.dead_letters(Which(subscription_sid=sid, after=after)):
                if each.id not in self._seen:
                    self._seen[each.id] = each.date_died
                    self._newest[sid] = max(self._newest[sid] or each.date_died, each.date_died)
                    dead_letters.add(each.subscription_sid, each.event_id, each.reason)
        oldest = min((each - _OVERLAP for each in self._newest.values() if each is not None), default=None)
        if oldest is not None:
            self._seen = {key: died for key, died in self._seen.items() if died >= oldest}


class KafkaDeadLetters:
    """Reads the dead-letter topic of one sink type, starting where it ended at the time of ``begin``."""

    def __init__(self, settings: Settings, sink_type: str) -> None:
        self._settings = settings
        self._admin = KafkaAdmin(settings, chosen_by="--kafka")
        self._topic = Topics(settings).dead(sink_type)
        self._read: dict[Partition, int] = {}

    async def begin(self) -> None:
        """Skip everything that exists now. Raises ``TopicError`` if Kafka does not answer, or refuses."""
        self._read = {Partition(each.topic, each.partition): each.end for each in await self._ends()}

    async def look(self, dead_letters: DeadLetters) -> None:
        ranges = [
            replace(each, first=self._read.get(Partition(each.topic, each.partition), each.first))
            for each in await self._ends()
        ]
        deadline = time.monotonic() + _LOOK_S
        async with RangeReader(self._settings, ranges) as reader:
            while not reader.ended:
                if time.monotonic() > deadline:  # a broker may be down: read the rest next time
                    raise TopicError(f"{self._topic} could not be read to its end within {_LOOK_S:g} s")
                for record in await reader.read(_RECORDS):
                    told = {name: value.decode(errors="replace") for name, value in record.headers}
                    dead_letters.add(told.get(names.SUBSCRIPTION), told.get(names.ID), told.get(names.REASON))
                self._read |= reader.positions

    async def _ends(self) -> Sequence[Range]:
        return await self._admin.ranges([self._topic], committed=True)
