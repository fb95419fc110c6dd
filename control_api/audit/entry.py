"""The records of the audit trail. Pure.

Two tell of a write, under one SID: one before it is made, without an outcome, and one after it. So a write that was
made has a record whatever happens in the middle of it, and one without an outcome may have been made or not.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

_DONE: Final = 400


class ActorType(StrEnum):
    """Whose credentials a write came with."""

    ACCOUNT = "account"
    API_KEY = "api_key"
    OPERATOR = "operator"


class Outcome(StrEnum):
    """``unknown``: the process, or Kafka, went away in the middle: look at what it was to change."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One write.

    Attributes:
        at_ms: When it was asked for.
        actor_sid: Account or API key; None: the operator.
        accounts: Who may see this: the actor's account, and the one that was acted on.
        route: The operation's path, with names in braces where SIDs stand.
        resource_sid: What it was about, or made.
        fields: Names of the parameters that were given; never a value.
        source: The client's address; empty where it is not known.
        status: Of the answer; None: not known (yet).
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
    """None where this release cannot read it."""
    try:
        return _ADAPTER.validate_json(value)
    except ValidationError:
        return None
