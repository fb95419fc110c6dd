"""What becomes of one event: its copies, or a dead letter. Pure."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple
from zlib import crc32

from eventstreams import headers as names
from eventstreams.headers import Envelope, HeaderProblem, Headers, dead_headers
from eventstreams.reasons import DeadReason
from router.batches import Batch, SourceRecord
from router.planning.filtering import Filtering
from router.planning.known_headers import KnownHeaders
from router.planning.matcher import Matcher, Route
from router.record_format import header_fields


@dataclass(frozen=True, slots=True)
class Run:
    """What one fetch brought of a partition: batches of records, in order.

    Attributes:
        is_last: Whether no other run of the same fetch comes after it. (Others of it may have been dropped.)
        seek: The number of the seek after which it was fetched.
    """

    topic: str
    partition: int
    batches: Sequence[Batch]
    is_last: bool
    seek: int = 0

    def __len__(self) -> int:
        """How many records, or offsets that were."""
        return sum(map(len, self.batches))

    @property
    def size(self) -> int:
        """In bytes, as they were fetched."""
        return sum(batch.size for batch in self.batches)


class Copy(NamedTuple):
    """A record to produce: key and value are the event's own.

    Attributes:
        partition: Which; -1: any.
        home: On its way around its own topic, that topic; see ``router.avoided_topics``.
    """

    topic: str
    headers: list[tuple[str, bytes]]
    partition: int = -1
    home: str | None = None


_name_of: Final = itemgetter(0)
_REQUIRED: Final = (names.ACCOUNT, names.TYPE, names.ID, names.SOURCE, names.TIME, names.DATASCHEMA)
_ORDINARY: Final = frozenset(name for name in names.KNOWN if not name.startswith("es_"))
"""An event with these headers alone, all that are required among them, is copied with all that it has."""
_LAYOUTS: Final = 16  # that are known: producers have a few, with a subject and without


@lru_cache(_LAYOUTS)
def _required_in(layout: tuple[str, ...]) -> Callable[[Headers], tuple[tuple[str, bytes], ...]] | None:
    """Takes ``_REQUIRED`` by their places from headers that have the names ``layout``; None: not ordinary."""
    if not _ORDINARY.issuperset(layout) or not set(_REQUIRED).issubset(layout):
        return None
    places = {name: place for place, name in enumerate(layout)}  # of a name that is there twice, the last counts
    return itemgetter(*(places[name] for name in _REQUIRED))


Way = tuple[tuple[str, int], int, int, Sequence[tuple[str, bytes]], bytes]
"""Of a copy: its topic and the first partition of that, how many it has, for how many ms it is tried, and the headers
that say whose it is, twice: as they are, and as Kafka writes them. Those that say when are before these."""


class Times(dict[int, tuple[Sequence[tuple[str, bytes]], bytes]]):
    """By for how many ms copies are tried: their headers that say when, as they are and as Kafka writes them."""

    def __init__(self, accepted_at_ms: int) -> None:
        super().__init__()
        self._accepted_at_ms = accepted_at_ms

    def __missing__(self, ttl_ms: int) -> tuple[Sequence[tuple[str, bytes]], bytes]:
        found = names.time_headers(self._accepted_at_ms, self._accepted_at_ms + ttl_ms)
        self[ttl_ms] = both = found, header_fields(found)
        return both


def partition_of(key: bytes | None, partitions: int, *, otherwise: int = 0) -> int:
    """Which of so many ``partitions`` takes what has ``key``: the same as librdkafka's; ``otherwise``: of no key."""
    return (crc32(key) if key else otherwise) % partitions


_ALL: Final = 1 << 62  # a time behind all others
_MOST_KNOWN: Final = 1 << 15  # accounts and types that are kept, of about 1 KiB; producers may send any number


class _Interest(NamedTuple):
    """Who wants events of one account and type.

    Attributes:
        routes: With the way of each at the same place in ``ways``.
        filtered: Whether any has a filter to be asked.
    """

    routes: Sequence[Route]
    ways: Sequence[Way]
    filtered: bool


class Planner:
    """Plans each event against the current routes. To be asked from one thread."""

    def __init__(self, matcher: Matcher, *, filtering: Filtering, event_types: Container[str], dead_topic: str) -> None:
        self._matcher = matcher
        self._filtering = filtering
        self._event_types = event_types
        self._dead_topic = dead_topic
        self._known: dict[tuple[bytes, bytes], _Interest] = {}
        """By account and type, by what ``_known_version`` says."""
        self._plain: dict[tuple[bytes, bytes], tuple[int, Sequence[Way]]] = {}
        """As ``_known``, for whoever asks no filter: since when, and none where there is one to be asked."""
        self._by_bytes: KnownHeaders[tuple[int, int, Sequence[Way]]] = KnownHeaders(_MOST_KNOWN)
        """As ``_plain``, with the number of headers before it, by the headers of events that were learned."""
        self._known_version = -1
        self._known_at = -1
        self.times = Times(-1)
        """Of the event that was asked for last: the broker stamps whole batches."""
        self._layout: list[str] | None = None
        """The names of the last event's headers: producers send the same ones in the same order."""
        self._required: Callable[[Headers], tuple[tuple[str, bytes], ...]] | None = None

    def ways_by_bytes(self, headers: bytes, count: int, accepted_at_ms: int) -> Sequence[Way]:
        """As ``ways``, without parsing the headers; empty also of headers that ``learn`` has seen none like.

        Args:
            headers: All of a record, one after the other, as Kafka encodes them.
            count: How many there are.
            accepted_at_ms: The record's timestamp.
        """
        # At each event: what is looked up here twice is a percent of the router's time.
        if accepted_at_ms != self._known_at or self._matcher.version != self._known_version:
            self._catch_up(accepted_at_ms)
        found = self._by_bytes.find(headers)
        if found is None or found[0] != count or found[1] > accepted_at_ms:
            return ()
        return found[2]

    def learn(self, record: SourceRecord) -> Sequence[Way]:
        """As ``ways``; from now on ``ways_by_bytes`` knows events like this one."""
        ways = self.ways(record)
        if ways:
            since_ms = self._plain[_key_of(dict(record.headers))][0]
            self._by_bytes.add(record.headers, (len(record.headers), since_ms, ways))
        return ways

    def ways(self, record: SourceRecord) -> Sequence[Way]:
        """Where the copies of an ordinary event go: each has the event's headers, and behind them those of its way.

        Empty of all that takes a closer look, also where nobody wants it: ask ``plan_closely`` then.
        """
        self._catch_up(record.timestamp)
        found = record.headers
        layout = [*map(_name_of, found)]
        if layout != self._layout:
            self._layout, self._required = layout, _required_in(tuple(layout))
        if self._required is None:
            return ()
        (_, account), (_, event_type), (_, event_id), (_, source), (_, time), (_, schema) = self._required(found)
        if not (event_id and source and time and schema):
            return ()
        try:
            since_ms, ways = self._plain[account, event_type]
        except KeyError:
            self._look_up(account, event_type)
            since_ms, ways = self._plain[account, event_type]
        return ways if since_ms <= self._known_at else ()

    def _catch_up(self, accepted_at_ms: int) -> None:
        """Take the next event's time; forget what routes said before they changed."""
        if accepted_at_ms != self._known_at:
            self._known_at = accepted_at_ms
            self.times = Times(accepted_at_ms)
        if self._matcher.version != self._known_version:
            self._known_version = self._matcher.version  # first: a change that comes now is seen at the next event
            self._known.clear()
            self._plain.clear()
            self._by_bytes.forget()

    def plan(self, run: Run, record: SourceRecord) -> list[Copy]:
        """The copies to make, one for each matching subscription whose filter takes it; empty where nobody wants it.

        An event that is malformed or of no known type is one copy, for the router's dead-letter topic.
        """
        if ways := self.ways(record):
            return [self._copy(way, record, record.headers) for way in ways]
        return self.plan_closely(run, record)

    def plan_closely(self, run: Run, record: SourceRecord) -> list[Copy]:
        """As ``plan``, of an event that ``ways`` was asked for before: by name, whatever its headers are."""
        headers = dict(record.headers)
        key = _key_of(headers)
        interest = self._known.get(key) or self._look_up(*key)
        wanted = [
            (route, way)
            for route, way in zip(interest.routes, interest.ways, strict=True)
            if route.since_ms <= self._known_at
        ]
        problem = self._problem(headers, matched=bool(wanted))
        if problem is not None:
            return [self._dead(run, record, problem)]
        if interest.filtered:
            passing = self._filtering.passing([route for route, _ in wanted], headers, record.value)
            wanted = [(route, way) for route, way in wanted if route in passing]
        found = [header for header in record.headers if not header[0].startswith("es_")]
        return [self._copy(way, record, found) for _, way in wanted]

    def marks(self, way: Way) -> list[tuple[str, bytes]]:
        """The headers that a copy has behind the event's own."""
        _, _, ttl_ms, owner, _ = way
        return [*self.times[ttl_ms][0], *owner]

    def _copy(self, way: Way, record: SourceRecord, headers: Sequence[tuple[str, bytes]]) -> Copy:
        (topic, partition), partitions, *_ = way
        if partitions > 1:
            partition = partition_of(record.key, partitions, otherwise=record.offset)
        return Copy(topic, [*headers, *self.marks(way)], partition)

    def topics(self) -> set[str]:
        """Those that events may be for now."""
        return self._matcher.topics()

    def _look_up(self, account: bytes, event_type: bytes) -> "_Interest":
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._plain.clear()
        routes = self._matcher.match(account, event_type, _ALL)
        ways = [_way(route, account) for route in routes]
        since_ms = max((route.since_ms for route in routes), default=0)
        filtered = any(route.filter is not None for route in routes)
        self._plain[account, event_type] = since_ms, () if filtered else ways
        found = self._known[account, event_type] = _Interest(routes, ways, filtered)
        return found

    def _problem(self, headers: Mapping[str, bytes], *, matched: bool) -> HeaderProblem | None:
        if matched:  # then account and type are good, and only the others can be missing
            return names.missing(headers)
        envelope = Envelope.parse(headers)
        if isinstance(envelope, HeaderProblem):
            return envelope
        if envelope.type not in self._event_types:
            return HeaderProblem(
                DeadReason.UNKNOWN_EVENT_TYPE, f"{envelope.type!r} is not in the catalogue of this router"
            )
        return None

    def _dead(self, run: Run, record: SourceRecord, problem: HeaderProblem) -> Copy:
        origin = f"{run.topic}/{run.partition}/{record.offset}"
        return Copy(
            self._dead_topic,
            dead_headers(
                record.headers,
                None,
                origin=origin,
                reason=problem.reason,
                code=problem.reason.code,
                detail=problem.detail,
            ),
        )


def _key_of(headers: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    return headers.get(names.ACCOUNT, b""), headers.get(names.TYPE, b"")


def _way(route: Route, account: bytes) -> Way:
    """Where a copy for ``route`` of an event of ``account`` goes, and what it has beside the event's own headers."""
    family_of = route.family_of
    is_anothers = family_of is not None and family_of.encode() != account
    owner = names.owner_headers(route.subscription_sid, family_of if is_anothers else None)
    return (route.topic, 0), route.partitions, route.ttl_ms, owner, header_fields(owner)
