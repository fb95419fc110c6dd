"""What becomes of one event: its copies, or a dead letter. Pure."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eventstreams import headers as names
from eventstreams.headers import Envelope, HeaderProblem, Headers, dead_headers, routed_headers
from eventstreams.reasons import DeadReason
from router.filtering import Filtering
from router.matcher import Matcher


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


@dataclass(frozen=True, slots=True)
class Copy:
    """A record to produce: key and value are the event's own."""

    topic: str
    headers: Headers


class Planner:
    """Plans each event against the current routes."""

    def __init__(self, matcher: Matcher, *, filtering: Filtering, event_types: Container[str], dead_topic: str) -> None:
        self._matcher = matcher
        self._filtering = filtering
        self._event_types = event_types
        self._dead_topic = dead_topic

    def plan(self, record: SourceRecord) -> list[Copy]:
        """The copies to make, one for each matching subscription whose filter takes it; empty where nobody wants it.

        An event that is malformed or of no known type is one copy, for the router's dead-letter topic.
        """
        headers = dict(record.headers)
        account = headers.get(names.ACCOUNT, b"")
        routes = self._matcher.match(account, headers.get(names.TYPE, b""), record.timestamp)
        problem = self._problem(headers, matched=bool(routes))
        if problem is not None:
            return [self._dead(record, problem)]
        for route in routes:
            if route.filter is not None:
                routes = self._filtering.passing(routes, headers, record.value)
                break
        return [
            Copy(
                route.topic,
                routed_headers(
                    record.headers,
                    accepted_at_ms=record.timestamp,
                    deadline_ms=record.timestamp + route.ttl_ms,
                    subscription_sid=route.subscription_sid,
                    subscriber_sid=route.family_of if route.family_of and route.family_of.encode() != account else None,
                ),
            )
            for route in routes
        ]

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
