"""What a store of the delivery log takes and answers, whichever it is: SQLite, or PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from eventstreams.attempts import Entry, EntryKind
from eventstreams.errors import EventStreamsError
from eventstreams.kafka.records import Partition

_GOOD: Final = frozenset({EntryKind.DELIVERED, EntryKind.REDRIVEN})


class StoreDamagedError(EventStreamsError):
    """What the store holds cannot be relied on: it is to be thrown away and built anew."""


class StoreUnavailableError(EventStreamsError):
    """The store cannot be used just now; what it holds is not in doubt."""


class StoreTakenError(StoreUnavailableError):
    """Another process writes the store that several share: read it, and write when that one has gone."""


class SearchTooLongError(EventStreamsError):
    """A search was given up because it would have taken too long."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the log is.

    Attributes:
        records: That are in the topics and not in the log.
        read_until_ms: Every record that is older is in the log. None before a record of each partition was read.
        seconds: How long ago that is; 0 when there is nothing to read.
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
    """One record of the events topic, without its value. ``time`` is what the producer wrote."""

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
    """One entry of the attempts topic, and where it stands there; ``position`` counts within its record."""

    partition: int
    offset: int
    position: int
    entry: Entry

    @property
    def failed(self) -> bool:
        """Neither delivered nor redriven."""
        return self.entry.kind not in _GOOD

    @property
    def mark(self) -> "Mark":
        return Mark(self.entry.at_ms, self.partition, self.offset, self.position)


class Mark(NamedTuple):
    """Where an entry, or an event, stands among all, oldest first. The same however often the store is built."""

    at_ms: int
    partition: int
    offset: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuery:
    """Which entries of one account. None: whatever.

    Attributes:
        failed: Only those that are neither delivered nor redriven.
        from_ms: At this time or later.
        before_ms: Sooner than this.
        mark: Only what is older, or with ``newer`` what is newer, than this.
        newer: The oldest of those that are newer, instead of the newest of those that are older.
        skip: How many to leave out first.
        limit: How many at most.
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
    """Which accepted events of one account: as ``EntryQuery``."""

    account_sid: str
    type: str | None = None
    from_ms: int = 0
    before_ms: int | None = None
    mark: Mark | None = None
    newer: bool = False
    skip: int = 0
    limit: int


class Tally(NamedTuple):
    """How many entries of a span are alike, and when the oldest of those began."""

    subscription_sid: str
    sink_sid: str | None
    type: str
    kind: str
    number: int
    oldest_ms: int


class LastKind(NamedTuple):
    """What became of an event for one subscription last, and when that began."""

    event_id: str
    subscription_sid: str
    kind: str
    at_ms: int


class EventTally(NamedTuple):
    """How many events of one type were accepted in a span, and the oldest of them when."""

    type: str
    number: int
    oldest_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Part of one account's time: from ``from_ms`` to before ``before_ms``.

    Attributes:
        most: So many rows are counted, the newest. Where there are as many, there may be more that are older.
    """

    account_sid: str
    from_ms: int
    before_ms: int
    most: int


class LogWriter(Protocol):
    """One thread's."""

    @property
    def held_bytes(self) -> int:
        """What the store holds now."""

    def open(self, identity: str) -> Mapping[Partition, int]:
        """The next offset of each partition that is in the store; empty for one that is new.

        Args:
            identity: Which topics of which Kafka; a store of others is begun anew.

        Raises:
            StoreTakenError: another process writes it; ``heard`` says how far it is.
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
        """Take all of it in, or nothing; and let go of what is too old or too much.

        Raises:
            StoreDamagedError: begin anew.
            StoreUnavailableError: try again.
        """

    def tell(self, lag: Lag) -> None:
        """Let those know who read the store in other processes; raises as ``write`` does."""

    def heard(self, *, now_ms: int) -> Lag | None:
        """What the process that writes told last, as it is now; None where that was too long ago."""

    def discard(self) -> None:
        """Throw away everything. ``open`` begins anew."""

    def close(self) -> None: ...


class LogReader(Protocol):
    """May be asked from several threads at once. What is past the retention is not answered.

    All methods raise ``StoreUnavailableError``, ``StoreDamagedError`` and ``SearchTooLongError``.
    """

    def entries(self, query: EntryQuery) -> Sequence[LoggedEntry]:
        """Newest first."""

    def events(self, query: EventQuery) -> Sequence[AcceptedEvent]:
        """Newest first."""

    def tally(self, span: Span) -> Sequence[Tally]:
        """What happened to events of ``span``."""

    def tally_events(self, span: Span) -> Sequence[EventTally]:
        """What was accepted in ``span``."""

    def last_kinds(self, account_sid: str, event_ids: Sequence[str], from_ms: int) -> Sequence[LastKind]:
        """For each of ``event_ids``, and each subscription of the account with entries of it since ``from_ms``."""

    def event(self, accounts: Sequence[str], event_id: str) -> AcceptedEvent | None:
        """The event, of one of ``accounts``; of several with this id the one that was accepted last."""

    def close(self) -> None: ...
