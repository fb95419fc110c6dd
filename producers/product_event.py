"""What the typed classes of ``producers.products`` stand on: an event of one type, with its data as attributes."""

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
"""Fields by their names on the wire; None where an optional one is absent."""


def ids(prefix: str) -> Callable[[], str]:
    """What makes new event ids: ``prefix`` and 32 hexadecimal digits, or 64 digits for the prefix ``hash``."""
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
    """An event as its product states it; ``EventPublisher.publish`` takes it as it is.

    Id and time are of its making: publish the same object again, not one that is made anew, and subscribers can tell.
    Names and types of the arguments are for the type checker; the values are checked when it is published. An optional
    field that is None is absent.

    Attributes:
        account_sid: The owner; decides which subscriptions can match.
        id: De-duplication key, stable across retries.
        time: When it happened; aware. Kept to the millisecond.
        source: REST path of the resource it speaks of; None: made of the data.
        subject: CloudEvents' ``subject``; most products have none.
        partition_key: Events with the same key keep their order up to the router; None: the resource's SID, where
            the catalogue names it, or else the source.
        traceparent: The trace that it is part of, as W3C Trace Context has it; what is none is left out.
        tracestate: What belongs to it there.
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
        """The event by the exact names of its schema, which is the version that the class was generated from."""

    def _event(self, data: Data, *, version: int, source: str | None = None, key: object = None) -> Event:
        """``event()``: ``source`` and ``key`` are what the data says; what was given explicitly comes first."""
        return Event(
            type=self.TYPE,
            source=self.source or source or "",
            account_sid=self.account_sid,
            data=_present(data),
            id=self.id,
            time=self.time,
            subject=self.subject,
            # A key that is no text is a field that is none; of the data the publisher can say where it is.
            partition_key=self.partition_key or (key if isinstance(key, str) else None) or None,
            schema_version=version,
            traceparent=self.traceparent,
            tracestate=self.tracestate,
        )


Publishable = Event | ProductEvent
"""What a publisher takes."""


def as_event(stated: Publishable) -> Event:
    if isinstance(stated, Event):
        return stated
    if isinstance(stated, ProductEvent):
        return stated.event()
    raise TypeError(f"{type(stated).__name__} is not an event: publish an Event, or an object from producers.products")


def plain(value: object) -> object:
    """``value`` with every ``Record`` in it as its data."""
    if isinstance(value, Record):
        return _present(value.as_data())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return value


def timestamp(at: datetime) -> str | None:
    """``at`` as fields of the data spell it; None for what is no time, which the publisher says of ``time`` itself."""
    try:
        return rfc3339_ms(at)
    except (AttributeError, OverflowError):
        return None


def part(value: object, *names: str) -> object:
    """The attribute of an attribute of ``value``, and so on; None where there is none on the way."""
    for name in names:
        value = getattr(value, name, None)
    return value


def path(*parts: object) -> str | None:
    """``parts`` as one text; None if one of them is absent."""
    return None if None in parts else "".join(map(str, parts))


def _present(data: Data) -> Data:
    return {name: value for name, value in data.items() if value is not None}
