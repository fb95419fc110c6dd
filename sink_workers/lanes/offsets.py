"""Which records of one partition are settled, and how far it may be committed. Pure."""

from collections import OrderedDict

from eventstreams.kafka.records import Record
from sink_workers.lanes.settled_ahead import SettledAhead


class OffsetTracker:
    """Records are taken in order of offset and settled in any order; only a contiguous prefix is committable.

    A record that is taken out of order is the first of another topic, which somebody made again under the same name,
    or the client has gone back. Then what was known is forgotten, and what is still under way says nothing any more.
    """

    __slots__ = ("_last", "_newest", "_newest_epoch", "_newest_ms", "_open", "_taken", "changes")

    def __init__(self) -> None:
        self._open: OrderedDict[int, tuple[Record, int]] = OrderedDict()  # not settled, each with how many came before
        self._taken = 0
        self._last = -1
        self._newest = self._newest_ms = self._newest_epoch = -1  # of the settled one with the greatest offset
        self.changes = 0
        """Grows whenever ``committable`` or ``ahead`` may have become another."""

    @property
    def committable(self) -> int | None:
        """The **next** offset to read, before which everything is settled; None while nothing is settled at all."""
        return None if self._newest < 0 else next(iter(self._open), self._last + 1)

    @property
    def unsettled(self) -> int:
        """How many records were taken and are not settled."""
        return len(self._open)

    @property
    def window(self) -> int:
        """How many records were taken and are not committable: the first unsettled one and all behind it."""
        return self._taken - self._open[next(iter(self._open))][1] if self._open else 0

    def distance(self, record: Record) -> int:
        """How many records, settled or not, lie between ``record`` and the first one that is not settled."""
        found = self._open.get(record.offset)
        return found[1] - self._open[next(iter(self._open))][1] if found else 0

    def take(self, record: Record) -> None:
        """``record`` is ours to settle now."""
        if record.offset <= self._last:
            self._open.clear()
            self._newest = -1
            self.changes += 1
        self._open[record.offset] = (record, self._taken)
        self._taken += 1
        self._last = record.offset

    def settle(self, record: Record) -> None:
        """``record``, the very one that was taken, is settled."""
        found = self._open.get(record.offset)
        if found is None or found[0] is not record:
            return
        del self._open[record.offset]
        self.changes += 1
        if record.offset > self._newest:
            self._newest, self._newest_ms, self._newest_epoch = record.offset, record.timestamp_ms, record.leader_epoch

    def ahead(self) -> SettledAhead | None:
        """What is settled behind the first record that is not; None where nothing is."""
        if not self._open:
            return None
        offsets = iter(self._open)
        first = begin = last = next(offsets)
        if first > self._newest:
            return None
        runs: list[int] = []
        for offset in offsets:
            if offset > self._newest:
                break
            if offset > last + 1:
                runs += (last + 1 - begin, offset - last - 1)
                begin = offset
            last = offset
        runs += (last + 1 - begin, self._newest - last)
        return SettledAhead(first, self._open[first][0].timestamp_ms, self._newest_ms, self._newest_epoch, tuple(runs))
