"""The base of the typed classes in ``producers.products``: an event of one type, with its data as attributes."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from eventstreams.events import Event
from eventstreams.sids import SidKind
from eventstreams.times import rfc3339_ms

Data = dict[str, object]
"""Fields by their names on the wire; None for absent optional ones."""


def ids(prefix: str) -> Callable[[], str]:
    """A function that makes event ids: ``prefix`` and 32 hexadecimal digits, or 64 digits for the prefix ``hash``."""
    return (lambda: secrets.token_hex(32)) if prefix == "hash" else (lambda: prefix + secrets.token_hex(16))


def _now() -> datetime:
    return datetime.now(UTC)


class Record(ABC):
    """A record inside the data of an event."""

    __slots__ = ()

    @abstractmethod
    def as_data(self) -> Data:
        """Its fields by their names on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductEvent(ABC):
    """An event as its product states it; ``EventPublisher.publish`` accepts it directly.

    Id and time are set when the object is created: to retry, publish the same object again, so that subscribers can
    recognize duplicates. Names and types of the arguments are checked by the type checker, values when it is published.
    An optional field that is None is absent.

    Attributes:
        account_sid: The owner; decides which subscriptions can match.
        id: De-duplication key, stable across retries.
        time: When it happened; aware. Kept to the millisecond.
        source: REST path of the resource that it is about; None: derived from the data.
        subject: CloudEvents' ``subject``; most products have none.
        partition_key: Events with the same key keep their order up to the router; None: the resource's SID, if the
            catalogue names it, or else the source.
        traceparent: W3C Trace Context of the trace that it is part of; an invalid one is left out.
        tracestate: The matching ``tracestate``, if any.
        TYPE: The event type.
    """

    TYPE: ClassVar[str]

    account_sid: str
    id: str = field(default_factory=ids(SidKind.EVENT))
    time: datetime = field(default_factory=_now)
    source: str | None = None
    subject: str | None = None
    partition_key: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @abstractmethod
    def event(self) -> Event:
        """The event with its schema's exact field names, in the version that the class was generated from."""

    def _event(self, data: Data, *, version: int, source: str | None = None, key: object = None) -> Event:
        """Implements ``event()``. ``source`` and ``key`` are derived from the data; explicit values take precedence."""
        return Event(
            type=self.TYPE,
            source=self.source or source or "",
            account_sid=self.account_sid,
            data=_present(data),
            id=self.id,
            time=self.time,
            subject=self.subject,
            # A key that is not text comes from an invalid field, which the publisher reports with its path in the data.
            partition_key=self.partition_key or (key if isinstance(key, str) else None) or None,
            schema_version=version,
            traceparent=self.traceparent,
            tracestate=self.tracestate,
        )


Publishable = Event | ProductEvent
"""What a publisher accepts."""


def as_event(stated: Publishable) -> Event:
    if isinstance(stated, Event):
        return stated
    if isinstance(stated, ProductEvent):
        return stated.event()
    raise TypeError(f"{type(stated).__name__} is not an event: publish an Event, or an object from producers.products")


def plain(value: object) -> object:
    """``value`` with every ``Record`` in it replaced by its data."""
    if isinstance(value, Record):
        return _present(value.as_data())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return value


def timestamp(at: datetime) -> str | None:
    """``at`` in the format of data fields; None if it is not a valid time, which the publisher reports for ``time``."""
    try:
        return rfc3339_ms(at)
    except (AttributeError, OverflowError):
        return None


def part(value: object, *names: str) -> object:
    """The nested attribute ``names`` of ``value``; None if one on the path is missing."""
    for name in names:
        value = getattr(value, name, None)
    return value


def path(*parts: object) -> str | None:
    """``parts`` joined to one text; None if one of them is None."""
    return None if None in parts else "".join(map(str, parts))


def _present(data: Data) -> Data:
    return {name: value for name, value in data.items() if value is not None}
