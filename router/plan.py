"""What becomes of one event: its copies, or a dead letter. Pure."""

from collections.abc import Container, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from eventstreams import headers as names
from eventstreams.headers import Envelope, HeaderProblem, Headers, dead_headers, routed_headers
from eventstreams.reasons import DeadReason
from router.filtering import Filtering
from router.matcher import Matcher, Route


class SourceRecord(Protocol):
    """What the plan needs of a fetched record (aiokafka's ``ConsumerRecord``)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """The broker's, in ms: the moment of acceptance."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Copy(NamedTuple):
    """A record to produce: key and value are the event's own."""

    topic: str
    headers: Headers


_required: Final = itemgetter(
    names.ID, names.TYPE, names.SOURCE, names.TIME, names.DATASCHEMA, names.ACCOUNT
)  # what ``missing`` looks at, in one step
_ORDINARY: Final = frozenset(name for name in names.KNOWN if not name.startswith("es_"))
"""An event with these headers alone, all that are required among them, is copied with all that it has."""


class Planner:
    """Plans each event against the current routes. To be asked from one thread."""

    def __init__(self, matcher: Matcher, *, filtering: Filtering, event_types: Container[str], dead_topic: str) -> None:
        self._matcher = matcher
        self._filtering = filtering
        self._event_types = event_types
        self._dead_topic = dead_topic
        self._marks: dict[
            tuple[str, int, str | None], Headers
        ] = {}  # of the copies of events that were accepted at that time
        self._marks_at = -1

    def plan(self, record: SourceRecord) -> list[Copy]:
        """The copies to make, one for each matching subscription whose filter takes it; empty where nobody wants it.

        An event that is malformed or of no known type is one copy, for the router's dead-letter topic.
        """
        found = record.headers
        headers = dict(found)
        account = headers.get(names.ACCOUNT, b"")
        routes = self._matcher.match(account, headers.get(names.TYPE, b""), record.timestamp)
        if not routes or not _is_ordinary(headers):
            problem = self._problem(headers, matched=bool(routes))
            if problem is not None:
                return [self._dead(record, problem)]
            found = [header for header in found if not header[0].startswith("es_")]
        for route in routes:
            if route.filter is not None:
                routes = self._filtering.passing(routes, headers, record.value)
                break
        if record.timestamp != self._marks_at:
            self._marks_at = record.timestamp
            self._marks.clear()
        return [Copy(route.topic, [*found, *self._marks_of(route, account)]) for route in routes]

    def _marks_of(self, route: Route, account: bytes) -> Headers:
        """What a copy has beside the event's own headers. Most are known: the broker stamps whole batches."""
        family_of = route.family_of
        subscriber_sid = family_of if family_of is not None and family_of.encode() != account else None
        key = (route.topic, route.ttl_ms, subscriber_sid)
        marks = self._marks.get(key)
        if marks is None:
            marks = self._marks[key] = routed_headers(
                (),
                accepted_at_ms=self._marks_at,
                deadline_ms=self._marks_at + route.ttl_ms,
                subscription_sid=route.subscription_sid,
                subscriber_sid=subscriber_sid,
            )
        return marks

    def dead_letter(self, record: SourceRecord, reason: DeadReason, detail: str) -> Copy:
        """A copy of ``record`` for the router's dead-letter topic."""
        return self._dead(record, HeaderProblem(reason, detail))

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

    def _dead(self, record: SourceRecord, problem: HeaderProblem) -> Copy:
        origin = f"{record.topic}/{record.partition}/{record.offset}"
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


def _is_ordinary(headers: Mapping[str, bytes]) -> bool:
    try:
        return all(_required(headers)) and _ORDINARY.issuperset(headers)
    except KeyError:
        return False
