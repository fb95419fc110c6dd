"""Parameters of calls as the API's form fields. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

import orjson

from eventstreams.client.connection import Fields

_MOST_OF_PAGE: Final = "1000"


class Keep(Enum):
    """For what is not to be changed, where None means something else."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which dead letters, or which accepted events; what is left out takes any.

    Attributes:
        reasons: Of what they died. For dead letters alone, as ``codes``.
        after: Died, or were accepted, at this time or later; aware, as ``before``.
        before: Sooner than this.
        filter: In CEL.
        dead_letter_ids: These. For redrives alone.
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
        """Raises ``ValueError`` where a time has no zone."""
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
    """Those that are not None."""
    return [(name, value) for name, value in fields.items() if value is not None]


def repeated(name: str, values: Iterable[str]) -> Fields:
    return [(name, value) for value in values]


def truth(value: bool | None) -> str | None:  # noqa: FBT001 - the value is what it is about
    return None if value is None else str(value).lower()


def moment(at: datetime | None) -> str | None:
    """As RFC 3339, in UTC. Raises ``ValueError`` where ``at`` has no zone."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError("times must be aware: datetime(…, tzinfo=UTC)")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def seconds(span: timedelta | None) -> str | None:
    """Whole seconds."""
    return None if span is None else str(span // timedelta(seconds=1))


def json_text(value: Mapping[str, object]) -> str:
    return orjson.dumps(value).decode()


def paged(fields: Fields) -> Fields:
    """With the largest pages."""
    return [*fields, ("PageSize", _MOST_OF_PAGE)]
