"""Input for the delivery log, and stores of it, for tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from control_api.delivery_log.store import AcceptedEvent, EntryQuery, LoggedEntry, LogReader, LogWriter
from eventstreams.attempts import Entry
from eventstreams.kafka.records import Partition
from tests.support.entries import ACCOUNT, NOW_MS

ATTEMPTS: Final = Partition("es.attempts", 0)
EVENTS: Final = Partition("es.events", 0)
HERE: Final = "cluster/es."
DAY: Final = timedelta(days=1)
DAY_MS: Final = 86_400_000
MIB: Final = 1 << 20


@dataclass
class Clock:
    now_ms: int = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Store:
    """A writer and a reader of one store. ``hasty`` is another reader, whose searches time out at once."""

    writer: LogWriter
    reader: LogReader
    hasty: LogReader
    clock: Clock
    count_segments: Callable[[], int]
    count_bytes: Callable[[], int]

    def write(self, *entries: LoggedEntry, next_offset: int = 0) -> None:
        self.writer.write((), entries, {ATTEMPTS: next_offset}, now_ms=self.clock.now_ms)

    def found(self, *, account_sid: str = ACCOUNT, limit: int = 1000, **wanted: object) -> Sequence[LoggedEntry]:
        return self.reader.entries(EntryQuery(account_sid=account_sid, limit=limit, **wanted))  # type: ignore[arg-type]  # what the test says

    def ids(self, **wanted: object) -> list[str]:
        return [each.entry.event_id for each in self.found(**wanted)]  # type: ignore[arg-type]  # what the test says

    def close(self) -> None:
        self.hasty.close()
        self.reader.close()
        self.writer.close()


class NewStore(Protocol):
    """Opens the test's store again, each time as another process would."""

    def __call__(self, *, retention: timedelta = 7 * DAY, max_bytes: int = 64 * MIB) -> Store: ...


def logged(entry: Entry, offset: int, *, partition: int = 0, position: int = 0) -> LoggedEntry:
    return LoggedEntry(partition, offset, position, entry)


def make_event(
    event_id: str = "EZ1", *, accepted_ms: int = NOW_MS, offset: int = 0, account_sid: str = ACCOUNT
) -> AcceptedEvent:
    return AcceptedEvent(
        accepted_ms, 0, offset, event_id, account_sid, "com.acme.message.sent", "2026-09-21T14:13:20.000Z"
    )
