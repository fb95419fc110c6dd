"""Tracks which records of one partition are settled, and up to which offset it may be committed. Pure."""

from collections import OrderedDict

from eventstreams.kafka.records import Record
from sink_workers.lanes.settled_ahead import AlreadySettled, SettledAhead


class OffsetTracker:
    """Records are taken in order of offset and settled in any order; only a contiguous prefix is committable.

    If an offset does not increase, the topic was deleted and created again under the same name, or the client has gone
    back. Then the tracker starts anew, and the settling of records that were under way before is ignored.
    """

    __slots__ = ("_last", "_newest", "_newest_epoch", "_newest_ms", "_open", "_taken", "changes")

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[Record, int]] = OrderedDict()  # unsettled; each with the number before it
        self._taken = 0
        self._last = -1
        self._newest = self._newest_ms = self._newest_epoch = -1  # of the settled one with the greatest offset
        self.changes = 0
        """Increases whenever ``committable`` or ``ahead`` may have changed."""

    @property
    def committable(self) -> int | None:
        """The **next** offset to read, below which everything is settled; None while nothing is settled at all."""
        return None if self._newest < 0 else next(iter(self._open), self._last + 1)

    @property
    def unsettled(self) -> int:
        """How many records were taken and are not settled yet."""
        return len(self._open)

    @property
    def window(self) -> int:
        """How many records were taken and are not committable: the first unsettled one and all after it."""
        return self._taken - self._open[next(iter(self._open))][1] if self._open else 0

    def distance(self, record: Record) -> int:
        """How many records, settled or not, ``record`` is behind the first unsettled one."""
        found = self._open.get(record.offset)
        return found[1] - self._open[next(iter(self._open))][1] if found else 0

    def take(self, record: Record) -> None:
        """Track ``record`` from now on, as unsettled."""
        if record.offset <= self._last:
            self._open.clear()
            self._newest = -1
            self.changes += 1
        self._open[record.offset] = (record, self._taken)
        self._taken += 1
        self._last = record.offset

    def settle(self, record: Record) -> None:
        """Mark ``record``, which must be the very object that was taken, as settled."""
        found = self._open.get(record.offset)
        if found is None or found[0] is not record:
            return
        del self._open[record.offset]
        self.changes += 1
        if record.offset > self._newest:
            self._newest, self._newest_ms, self._newest_epoch = record.offset, record.timestamp_ms, record.leader_epoch

    def ahead(self, before: AlreadySettled | None = None) -> SettledAhead | None:
        """What is settled after the first unsettled record; None if nothing is.

        Args:
            before: What the partition's previous owner settled of the records that were not taken yet.
        """
        if not self._open:
            return None  # the next record, by which the next owner would recognize the topic, is not known
        found = self._ahead_of_taken()
        if before is not None:
            found = before.beyond(found)
        return found if found.runs else None

    def _ahead_of_taken(self) -> SettledAhead:
        offsets = iter(self._open)
        first = begin = last = next(offsets)
        first_ms = self._open[first][0].timestamp_ms
        if first > self._newest:
            return SettledAhead(first, first_ms, self._newest_ms, self._newest_epoch, ())
        runs: list[int] = []
        for offset in offsets:
            if offset > self._newest:
                break
            if offset > last + 1:
                runs += (last + 1 - begin, offset - last - 1)
                begin = offset
            last = offset
        runs += (last + 1 - begin, self._newest - last)
        return SettledAhead(first, first_ms, self._newest_ms, self._newest_epoch, tuple(runs))
