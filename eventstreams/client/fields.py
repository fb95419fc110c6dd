"""Converts parameters of calls to the API's form fields. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

import orjson

from eventstreams.client.connection import Fields

_MOST_OF_PAGE: Final = "1000"


class Keep(Enum):
    """The default of parameters that should not be changed, for which None has a meaning of its own."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Selects dead letters or accepted events; a criterion that is left out matches any.

    Attributes:
        reasons: Why they were dead-lettered. Only for dead letters, like ``codes``.
        after: Dead-lettered, or accepted, at this time or later. Aware, like ``before``.
        before: Dead-lettered, or accepted, before this time.
        filter: A CEL expression.
        dead_letter_ids: Exactly these dead letters. Only for redrives.
    """

    subscription_sid: str | None = None
    reasons: Sequence[str] = ()
    codes: Sequence[int] = ()
    types: Sequence[str] = ()
    event_ids: Sequence[str] = ()
    after: datetime | None = None
    before: datetime | None = None
    filter: str | None = None
    dead_letter_ids: Sequence[str] = ()

    def fields(self) -> Fields:
        """As form fields. Raises ``ValueError`` if a time has no time zone."""
        return [
            *given(SubscriptionSid=self.subscription_sid, Filter=self.filter),
            *given(After=moment(self.after), Before=moment(self.before)),
            *repeated("Reason", self.reasons),
            *repeated("Code", map(str, self.codes)),
            *repeated("Type", self.types),
            *repeated("EventId", self.event_ids),
            *repeated("DeadLetterId", self.dead_letter_ids),
        ]


def given(**fields: str | None) -> Fields:
    """The fields that are not None."""
    return [(name, value) for name, value in fields.items() if value is not None]


def repeated(name: str, values: Iterable[str]) -> Fields:
    return [(name, value) for value in values]


def truth(value: bool | None) -> str | None:  # noqa: FBT001 - the value is what it is about
    return None if value is None else str(value).lower()


def moment(at: datetime | None) -> str | None:
    """``at`` as RFC 3339 in UTC. Raises ``ValueError`` if it has no time zone."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError("times must be aware: datetime(…, tzinfo=UTC)")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def seconds(span: timedelta | None) -> str | None:
    """``span`` in whole seconds, rounded down."""
    return None if span is None else str(span // timedelta(seconds=1))


def json_text(value: Mapping[str, object]) -> str:
    return orjson.dumps(value).decode()


def paged(fields: Fields) -> Fields:
    """``fields``, and the largest page size."""
    return [*fields, ("PageSize", _MOST_OF_PAGE)]
