"""The interface of the delivery log's stores, SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from eventstreams.attempts import Entry, EntryKind
from eventstreams.errors import EventStreamsError
from eventstreams.kafka.records import Partition

_GOOD: Final = frozenset({EntryKind.DELIVERED, EntryKind.REDRIVEN})


class StoreDamagedError(EventStreamsError):
    """The content of the store cannot be relied on: discard and rebuild it."""


class StoreUnavailableError(EventStreamsError):
    """The store cannot be used just now; its content is not in doubt."""


class StoreTakenError(StoreUnavailableError):
    """Another process writes the shared store: read it, and write it once that process is gone."""


class SearchTooLongError(EventStreamsError):
    """A search was aborted because it took too long."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the log is.

    Attributes:
        records: The records that are in the topics but not in the log.
        read_until_ms: Every older record is in the log. None until a record of each partition was read.
        seconds: How long ago that is; 0 if there is nothing to read; None if it is not known.
    """

    records: int
    read_until_ms: int | None
    seconds: float | None

    @classmethod
    def at(cls, now_ms: int, records: int, read_until_ms: int | None) -> "Lag":
        if not records:
            return cls(0, read_until_ms, 0.0)
        return cls(records, read_until_ms, None if read_until_ms is None else max(now_ms - read_until_ms, 0) / 1000)


class AcceptedEvent(NamedTuple):
    """One record of the events topic, without its value. ``time`` is as the producer wrote it."""

    accepted_ms: int
    partition: int
    offset: int
    id: str
    account_sid: str
    type: str
    time: str

    @property
    def mark(self) -> "Mark":
        return Mark(self.accepted_ms, self.partition, self.offset, 0)


class LoggedEntry(NamedTuple):
    """One entry of the attempts topic with its place; ``position`` is its index in the record."""

    partition: int
    offset: int
    position: int
    entry: Entry

    @property
    def failed(self) -> bool:
        """Whether it is neither delivered nor redriven."""
        return self.entry.kind not in _GOOD

    @property
    def mark(self) -> "Mark":
        return Mark(self.entry.at_ms, self.partition, self.offset, self.position)


class Mark(NamedTuple):
    """The sort key of entries and events, oldest first. It is the same whenever the store is rebuilt."""

    at_ms: int
    partition: int
    offset: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuery:
    """Selects entries of one account. None means any.

    Attributes:
        account_sid: The account.
        event_id: Only entries of this event.
        subscription_sid: Only entries of this subscription.
        sink_sid: Only entries of this sink.
        kind: Only entries of this kind.
        failed: Only entries that are neither delivered nor redriven.
        reason: Only entries with this reason.
        from_ms: At this time or later.
        before_ms: Before this time.
        mark: Only entries older than this, or newer with ``newer``.
        newer: Return the oldest of the newer entries instead of the newest of the older ones.
        skip: How many to skip first.
        limit: How many to return at most.
    """

    account_sid: str
    event_id: str | None = None
    subscription_sid: str | None = None
    sink_sid: str | None = None
    kind: str | None = None
    failed: bool = False
    reason: str | None = None
    from_ms: int = 0
    before_ms: int | None = None
    mark: Mark | None = None
    newer: bool = False
    skip: int = 0
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Selects accepted events of one account, like ``EntryQuery``."""

    account_sid: str
    type: str | None = None
    from_ms: int = 0
    before_ms: int | None = None
    mark: Mark | None = None
    newer: bool = False
    skip: int = 0
    limit: int


class Tally(NamedTuple):
    """The number of entries in a span with these properties, and the time of the oldest of them."""

    subscription_sid: str
    sink_sid: str | None
    type: str
    kind: str
    number: int
    oldest_ms: int


class LastKind(NamedTuple):
    """The kind and time of the last entry of an event for one subscription."""

    event_id: str
    subscription_sid: str
    kind: str
    at_ms: int


class EventTally(NamedTuple):
    """The number of events of one type that were accepted in a span, and the time of the oldest of them."""

    type: str
    number: int
    oldest_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A period of one account.

    Attributes:
        account_sid: The account.
        from_ms: Its start, inclusive.
        before_ms: Its end, exclusive.
        most: The most rows to count, newest first. If as many were counted, there may be more, older ones.
    """

    account_sid: str
    from_ms: int
    before_ms: int
    most: int


class LogWriter(Protocol):
    """Writes a store. Use it on one thread only."""

    @property
    def held_bytes(self) -> int:
        """The present size of the store in bytes."""

    def open(self, identity: str) -> Mapping[Partition, int]:
        """Open the store for writing; return the next offset of each partition in it; empty for a new store.

        Args:
            identity: Identifies the topics and the Kafka cluster. A store with another identity is discarded.

        Raises:
            StoreTakenError: another process writes it; ``heard`` says how far that is.
            StoreUnavailableError: it cannot be written.
        """

    def write(
        self,
        events: Sequence[AcceptedEvent],
        entries: Sequence[LoggedEntry],
        offsets: Mapping[Partition, int],
        *,
        now_ms: int,
    ) -> None:
        """Store everything or nothing, and drop what is too old or too much.

        Raises:
            StoreDamagedError: discard the store and start again.
            StoreUnavailableError: try again.
        """

    def tell(self, lag: Lag) -> None:
        """State the lag for other processes, which read the store; raises like ``write``."""

    def heard(self, *, now_ms: int) -> Lag | None:
        """The lag that the writing process stated last, as of now; None if that was too long ago."""

    def discard(self) -> None:
        """Discard everything. ``open`` then starts with an empty store."""

    def close(self) -> None: ...


class LogReader(Protocol):
    """Searches a store. Thread-safe. Rows older than the retention are not returned.

    All methods raise ``StoreUnavailableError``, ``StoreDamagedError`` and ``SearchTooLongError``.
    """

    def entries(self, query: EntryQuery) -> Sequence[LoggedEntry]:
        """The matching entries, newest first."""

    def events(self, query: EventQuery) -> Sequence[AcceptedEvent]:
        """The matching events, newest first."""

    def tally(self, span: Span) -> Sequence[Tally]:
        """Counts of the entries in ``span``."""

    def tally_events(self, span: Span) -> Sequence[EventTally]:
        """Counts of the events accepted in ``span``."""

    def last_kinds(self, account_sid: str, event_ids: Sequence[str], from_ms: int) -> Sequence[LastKind]:
        """The last kind for each of ``event_ids`` and subscription of the account, among entries since ``from_ms``."""

    def event(self, accounts: Sequence[str], event_id: str) -> AcceptedEvent | None:
        """The event with this id of one of ``accounts``; if there are several, the one that was accepted last."""

    def close(self) -> None: ...
