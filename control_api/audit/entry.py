"""The records of the audit trail. Pure.

Each write has two records with the same SID: one before it is made, without an outcome, and one after it. So every
write that was made is on record, whatever happens meanwhile; one without an outcome may or may not have been made.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

_DONE: Final = 400


class ActorType(StrEnum):
    """The kind of credentials that a write was made with."""

    ACCOUNT = "account"
    API_KEY = "api_key"
    OPERATOR = "operator"


class Outcome(StrEnum):
    """How a write ended. ``unknown``: the process or Kafka failed meanwhile: look at what it was meant to change."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One write.

    Attributes:
        sid: The SID of this entry.
        at_ms: When it was requested, in ms since the epoch.
        actor_type: The kind of credentials it was made with.
        actor_sid: The account or API key; None for the operator.
        accounts: The accounts that may see this: the actor's, and the one that was acted on.
        method: The HTTP method.
        route: The operation's path, with names in braces in place of SIDs.
        resource_sid: What was changed or created.
        fields: The names of the parameters that were given, never their values.
        source: The client's address; empty if it is not known.
        status: The status of the answer; None if it is not known (yet).
    """

    sid: str
    at_ms: int
    actor_type: ActorType
    actor_sid: str | None
    accounts: tuple[str, ...]
    method: str
    route: str
    resource_sid: str | None
    fields: tuple[str, ...]
    source: str
    status: int | None = None

    @property
    def outcome(self) -> Outcome:
        if self.status is None:
            return Outcome.UNKNOWN
        if self.status < _DONE:
            return Outcome.DONE
        return Outcome.REFUSED if self.status < 500 else Outcome.FAILED  # noqa: PLR2004 - HTTP's own line


_ADAPTER: Final = TypeAdapter(AuditEvent)


def encode(event: AuditEvent) -> bytes:
    return orjson.dumps(event)


def decode(value: bytes) -> AuditEvent | None:
    """Parse a record; None if this release cannot read it."""
    try:
        return _ADAPTER.validate_json(value)
    except ValidationError:
        return None
