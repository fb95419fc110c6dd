"""Describes what a write did in plain words: ``created sink 'orders' (DG…)``. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from control_api.audit.entry import AuditEvent, Outcome

_THING: Final = "{}"
_VOWELS: Final = frozenset("Aa")


@dataclass(frozen=True, slots=True)
class WriteDescription:
    """How to describe one kind of write.

    Attributes:
        asked: What was requested; ``{}`` stands for the thing.
        done: The same in the past tense, if it was done.
        thing: The kind of thing.
    """

    asked: str
    done: str
    thing: str = ""


_SINK, _SUBSCRIPTION, _KEY, _ACCOUNT = "sink", "subscription", "API key", "account"
_CREATE_KEY: Final = WriteDescription("create {}", "created {}", _KEY)
_RENAME_KEY: Final = WriteDescription("rename {}", "renamed {}", _KEY)
_REVOKE_KEY: Final = WriteDescription("revoke {}", "revoked {}", _KEY)
_PAUSED: Final = ("Paused",)
_PAUSE: Final = "pause or resume {}"
_PAUSED_WORDS: Final = "paused or resumed {}"
DESCRIPTIONS: Final[Mapping[str, WriteDescription]] = {
    "POST /v1/Sinks": WriteDescription("create {}", "created {}", _SINK),
    "POST /v1/Sinks/{sid}": WriteDescription("change the description of {}", "changed the description of {}", _SINK),
    "DELETE /v1/Sinks/{sid}": WriteDescription("delete {}", "deleted {}", _SINK),
    "POST /v1/Sinks/{sid}/Test": WriteDescription("send a test event to {}", "sent a test event to {}", _SINK),
    "POST /v1/Sinks/{sid}/Validate": WriteDescription("validate {}", "validated {}", _SINK),
    "POST /v1/Sinks/{sid}/Delivery": WriteDescription(
        "change how events are delivered to {}", "changed how events are delivered to {}", _SINK
    ),
    "POST /v1/Sinks/{sid}/Probe": WriteDescription(
        "check whether {} can be reached", "checked whether {} can be reached", _SINK
    ),
    "POST /v1/Sinks/{sid}/Samples": WriteDescription("send a sample event to {}", "sent a sample event to {}", _SINK),
    "POST /v1/Sinks/{sid}/Configuration": WriteDescription(
        "change the configuration of {}", "changed the configuration of {}", _SINK
    ),
    "POST /v1/Sinks/{sid}/SigningSecret": WriteDescription(
        "rotate the signing secret of {}", "rotated the signing secret of {}", _SINK
    ),
    "POST /v1/Subscriptions": WriteDescription("create {}", "created {}", _SUBSCRIPTION),
    "POST /v1/Subscriptions/{sid}": WriteDescription("change {}", "changed {}", _SUBSCRIPTION),
    "DELETE /v1/Subscriptions/{sid}": WriteDescription("delete {}", "deleted {}", _SUBSCRIPTION),
    "POST /v1/Subscriptions/{sid}/SubscribedEvents": WriteDescription(
        "add an event type to {}", "added an event type to {}", _SUBSCRIPTION
    ),
    "POST /v1/Subscriptions/{sid}/SubscribedEvents/{type}": WriteDescription(
        "change the schema version of {} in a subscription", "changed the schema version of {} in a subscription"
    ),
    "DELETE /v1/Subscriptions/{sid}/SubscribedEvents/{type}": WriteDescription(
        "remove {} from a subscription", "removed {} from a subscription"
    ),
    "POST /v1/Subscriptions/{sid}/Delivery": WriteDescription(
        "change how events of {} are delivered", "changed how events of {} are delivered", _SUBSCRIPTION
    ),
    "POST /v1/FilterPreviews": WriteDescription("preview a filter", "previewed a filter"),
    "POST /v1/Redrives/Preview": WriteDescription("preview a redrive", "previewed a redrive"),
    "POST /v1/Redrives": WriteDescription("start {}", "started {}", "redrive"),
    "POST /v1/Redrives/{sid}": WriteDescription("cancel {}", "cancelled {}", "redrive"),
    "POST /v1/Replays/Preview": WriteDescription("preview a replay", "previewed a replay"),
    "POST /v1/Replays": WriteDescription("start {}", "started {}", "replay"),
    "POST /v1/Replays/{sid}": WriteDescription("cancel {}", "cancelled {}", "replay"),
    "POST /v1/Keys": _CREATE_KEY,
    "POST /v1/Keys/{sid}": _RENAME_KEY,
    "DELETE /v1/Keys/{sid}": _REVOKE_KEY,
    "POST /v1/AuthTokens/Secondary": WriteDescription(
        "create a secondary auth token", "created a secondary auth token"
    ),
    "DELETE /v1/AuthTokens/Secondary": WriteDescription(
        "delete the secondary auth token", "deleted the secondary auth token"
    ),
    "POST /v1/AuthTokens/Promote": WriteDescription(
        "promote the secondary auth token",
        "promoted the secondary auth token",
    ),
    "POST /2010-04-01/Accounts.json": WriteDescription("create {}", "created {}", "subaccount"),
    "POST /2010-04-01/Accounts/{account_sid}.json": WriteDescription("change {}", "changed {}", _ACCOUNT),
    "POST /2010-04-01/Accounts/{account_sid}/Keys.json": _CREATE_KEY,
    "POST /2010-04-01/Accounts/{account_sid}/Keys/{sid}.json": _RENAME_KEY,
    "DELETE /2010-04-01/Accounts/{account_sid}/Keys/{sid}.json": _REVOKE_KEY,
    "POST /operator/v1/Accounts": WriteDescription("create {}", "created {}", _ACCOUNT),
    "POST /operator/v1/Accounts/{account_sid}": WriteDescription("change {}", "changed {}", _ACCOUNT),
    "POST /operator/v1/Accounts/{account_sid}/RotateToken": WriteDescription(
        "rotate the auth token of {}", "rotated the auth token of {}", _ACCOUNT
    ),
    "POST /operator/v1/Accounts/{account_sid}/PromoteToken": WriteDescription(
        "end the grace period of the token of {}", "ended the grace period of the token of {}", _ACCOUNT
    ),
    "POST /operator/v1/Accounts/{account_sid}/Keys": _CREATE_KEY,
    "DELETE /operator/v1/Accounts/{account_sid}/Keys/{sid}": _REVOKE_KEY,
    "POST /operator/v1/SecretRotations": WriteDescription(
        "re-encrypt secrets with the first key", "re-encrypted secrets with the first key"
    ),
    "DELETE /operator/v1/Topics/{name}": WriteDescription("remove {}", "removed {}", "topic"),
}
"""By method and route, as in the records."""


def describe(event: AuditEvent, name_of: Callable[[str], str]) -> str:
    """What the write did; if it was not done, or that is not known, what was requested.

    A write that this release does not know is described by its method and route.

    Args:
        event: The write.
        name_of: Returns the present name of the thing with a SID; empty if it is gone or must not be revealed.
    """
    description = DESCRIPTIONS.get(f"{event.method} {event.route}")
    if description is None:
        return f"{event.method} {event.route}"
    pausing = event.route.endswith("/Delivery") and event.fields == _PAUSED
    if event.outcome is Outcome.DONE:
        return (_PAUSED_WORDS if pausing else description.done).replace(_THING, _thing(description, event, name_of))
    return "asked to " + (_PAUSE if pausing else description.asked).replace(_THING, _thing(description, event, name_of))


def _thing(description: WriteDescription, event: AuditEvent, name_of: Callable[[str], str]) -> str:
    sid = event.resource_sid
    if sid is None:
        return f"{'an' if description.thing[:1] in _VOWELS else 'a'} {description.thing}"
    name = name_of(sid)
    shown = f"'{name}' ({sid})" if name else sid
    return f"{description.thing} {shown}".strip()
