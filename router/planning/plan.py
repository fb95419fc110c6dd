"""Plans one event: which copies to make, or a dead letter. No I/O.

There is a fast path for ordinary events, which make up nearly all: their copies have all of the event's headers, so
only the way of each copy is looked up, by the headers' bytes (``ways_by_bytes``) or once they are parsed (``ways``).
All other events take ``plan_closely``.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple
from zlib import crc32

from eventstreams import headers as names
from eventstreams.headers import Envelope, HeaderProblem, Headers, dead_headers
from eventstreams.reasons import DeadReason
from router.batches import Batch
from router.planning.filtering import Filtering
from router.planning.known_headers import KnownHeaders
from router.planning.matcher import Matcher, Route
from router.record_format import header_fields
from router.records import SourceRecord


@dataclass(frozen=True, slots=True)
class Run:
    """The record batches that one fetch returned for a partition, in order.

    Attributes:
        is_last: Whether it is the last run of its fetch. (Others of the same fetch may have been dropped.)
        seek: Number of the last seek before it was fetched.
    """

    topic: str
    partition: int
    batches: Sequence[Batch]
    is_last: bool
    seek: int = 0

    def __len__(self) -> int:
        """Return how many offsets its batches span, of which some may have no record any more."""
        return sum(map(len, self.batches))

    @property
    def size(self) -> int:
        """Bytes as fetched, that is, compressed if the producer compressed them."""
        return sum(batch.size for batch in self.batches)


class Copy(NamedTuple):
    """A record to produce; it has the event's key and value.

    Attributes:
        partition: The partition to produce to; -1 to choose one by key.
        home: Its own topic while it makes a detour around that, else None; see ``router.copying.avoided_topics``.
    """

    topic: str
    headers: list[tuple[str, bytes]]
    partition: int = -1
    home: str | None = None


_name_of: Final = itemgetter(0)
_REQUIRED: Final = (names.ACCOUNT, names.TYPE, names.ID, names.SOURCE, names.TIME, names.DATASCHEMA)
_ORDINARY: Final = frozenset(name for name in names.KNOWN if not name.startswith("es_"))
"""An event with no other headers than these, including all required ones, is copied with all of its headers."""
_LAYOUTS: Final = 16  # header orders to remember: producers use a few, with a subject and without


@lru_cache(_LAYOUTS)
def _required_in(layout: tuple[str, ...]) -> Callable[[Headers], tuple[tuple[str, bytes], ...]] | None:
    """Return a function that picks ``_REQUIRED`` by position out of headers named ``layout``; None: not ordinary."""
    if not _ORDINARY.issuperset(layout) or not set(_REQUIRED).issubset(layout):
        return None
    places = {name: place for place, name in enumerate(layout)}  # the last of a repeated name counts
    return itemgetter(*(places[name] for name in _REQUIRED))


Way = tuple[tuple[str, int], int, int, Sequence[tuple[str, bytes]], bytes]
"""Where a copy goes and which headers it gets: (topic, first partition), the topic's number of partitions, time to live
in ms, and its owner headers twice, as pairs and as encoded by Kafka. Its time headers come before the owner headers."""


class Times(dict[int, tuple[Sequence[tuple[str, bytes]], bytes]]):
    """Time to live in ms → the time headers of an event's copies, as pairs and encoded; made when first asked for."""

    def __init__(self, accepted_at_ms: int) -> None:
        super().__init__()
        self._accepted_at_ms = accepted_at_ms

    def __missing__(self, ttl_ms: int) -> tuple[Sequence[tuple[str, bytes]], bytes]:
        found = names.time_headers(self._accepted_at_ms, self._accepted_at_ms + ttl_ms)
        self[ttl_ms] = both = found, header_fields(found)
        return both


def partition_of(key: bytes | None, partitions: int, *, otherwise: int = 0) -> int:
    """Return the partition for ``key``, as librdkafka's partitioner does; for no key, ``otherwise`` is taken modulo."""
    return (crc32(key) if key else otherwise) % partitions


_ALL: Final = 1 << 62  # later than any timestamp
_MOST_KNOWN: Final = 1 << 15  # pairs of account and type kept, about 1 KiB each; producers may send any number
_LONGEST_BYTES: Final = 512  # of an account and a type together: longer ones, which nobody can want, are not kept


class _Interest(NamedTuple):
    """The routes for events of one account and type.

    Attributes:
        routes: Each has its way at the same index in ``ways``.
        filtered: Whether any of them has a filter.
        since_ms: When the newest of them was made: events accepted from then on are for all of them.
    """

    routes: Sequence[Route]
    ways: Sequence[Way]
    filtered: bool
    since_ms: int


class Planner:
    """Plans each event against the current routes. Only for one thread."""

    def __init__(self, matcher: Matcher, *, filtering: Filtering, event_types: Container[str], dead_topic: str) -> None:
        self._matcher = matcher
        self._filtering = filtering
        self._event_types = event_types
        self._dead_topic = dead_topic
        self._known: dict[tuple[bytes, bytes], _Interest] = {}
        """By account and type; valid for version ``_known_version`` of the routes."""
        self._by_bytes: KnownHeaders[tuple[int, int, Sequence[Way]]] = KnownHeaders(_MOST_KNOWN)
        """By the headers of learned events: how many they are, and the ``since_ms`` and ways of their interest."""
        self._known_version = -1
        self._known_at = -1
        self.times = Times(-1)
        """Time headers for the last event's timestamp; kept, since a broker gives all events of a batch the same."""
        self._layout: list[str] | None = None
        """Names of the last event's headers, kept since producers send the same ones in the same order."""
        self._required: Callable[[Headers], tuple[tuple[str, bytes], ...]] | None = None

    def ways_by_bytes(self, headers: bytes, count: int, accepted_at_ms: int) -> Sequence[Way]:
        """Do as ``ways``, without parsing the headers; also empty for headers unlike any passed to ``learn``.

        Args:
            headers: All headers of a record, encoded by Kafka, without their count.
            count: Number of headers.
            accepted_at_ms: The record's timestamp.
        """
        # Runs for each event: one lookup more here is a percent of the router's time.
        if accepted_at_ms != self._known_at or self._matcher.version != self._known_version:
            self._catch_up(accepted_at_ms)
        found = self._by_bytes.find(headers)
        if found is None or found[0] != count or found[1] > accepted_at_ms:
            return ()
        return found[2]

    def learn(self, record: SourceRecord, header_bytes: int) -> Sequence[Way]:
        """Do as ``ways``, and mostly have ``ways_by_bytes`` recognize events like this one from now on.

        Args:
            record: One that was not recognized.
            header_bytes: The length of its encoded headers.
        """
        ways = self.ways(record)
        if ways and self._by_bytes.wants(header_bytes):
            since_ms = self._known[_key_of(dict(record.headers))].since_ms
            self._by_bytes.add(record.headers, (len(record.headers), since_ms, ways))
        return ways

    def ways(self, record: SourceRecord) -> Sequence[Way]:
        """Return the ways of an ordinary event's copies, which have its headers, followed by ``marks`` of their way.

        Empty for any event that needs a closer look, and for one that no route matches: call ``plan_closely`` then.
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
        interest = self._known.get((account, event_type)) or self._look_up(account, event_type)
        return () if interest.filtered or interest.since_ms > self._known_at else interest.ways

    def _catch_up(self, accepted_at_ms: int) -> None:
        """Set the next event's time, and clear the caches if the routes have changed."""
        if accepted_at_ms != self._known_at:
            self._known_at = accepted_at_ms
            self.times = Times(accepted_at_ms)
        if self._matcher.version != self._known_version:
            self._known_version = self._matcher.version  # first: a change during this is seen at the next event
            self._known.clear()
            self._by_bytes.forget()

    def plan(self, run: Run, record: SourceRecord) -> list[Copy]:
        """Return the copies to make: one for each matching subscription whose filter lets it pass; maybe none.

        A malformed event, or one of unknown type, yields a single copy, for the router's dead-letter topic.
        """
        if ways := self.ways(record):
            return [self._copy(way, record, record.headers) for way in ways]
        return self.plan_closely(run, record)

    def plan_closely(self, run: Run, record: SourceRecord) -> list[Copy]:
        """Do as ``plan``, for an event that ``ways`` has just been called with: handles any headers, and filters."""
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
        """Return the headers that a copy of the last event has behind the event's own: time, then owner."""
        _, _, ttl_ms, owner, _ = way
        return [*self.times[ttl_ms][0], *owner]

    def _copy(self, way: Way, record: SourceRecord, headers: Sequence[tuple[str, bytes]]) -> Copy:
        (topic, partition), partitions, *_ = way
        if partitions > 1:
            partition = partition_of(record.key, partitions, otherwise=record.offset)
        return Copy(topic, [*headers, *self.marks(way)], partition)

    def topics(self) -> set[str]:
        """Return all topics that a route leads to now; slow, since it scans all routes."""
        return self._matcher.topics()

    def _look_up(self, account: bytes, event_type: bytes) -> "_Interest":
        if len(account or b"") + len(event_type or b"") > _LONGEST_BYTES:  # a header may have no value at all
            return _Interest((), (), filtered=False, since_ms=0)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        routes = self._matcher.match(account, event_type, _ALL)
        ways = [_way(route, account) for route in routes]
        since_ms = max((route.since_ms for route in routes), default=0)
        filtered = any(route.filter is not None for route in routes)
        found = self._known[account, event_type] = _Interest(routes, ways, filtered, since_ms)
        return found

    def _problem(self, headers: Mapping[str, bytes], *, matched: bool) -> HeaderProblem | None:
        if matched:  # then account and type are valid, and only others can be missing
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
    """Return the way of copies for ``route`` of events of ``account``."""
    family_of = route.family_of
    is_anothers = family_of is not None and family_of.encode() != account
    owner = names.owner_headers(route.subscription_sid, family_of if is_anothers else None)
    return (route.topic, 0), route.partitions, route.ttl_ms, owner, header_fields(owner)
