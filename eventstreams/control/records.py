"""The resources of the control plane, as stored on the control topic: JSON under the key ``<kind>/<sid>``.

Secrets are only ever stored encrypted (``eventstreams.control.vault``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final, Self

import orjson
from pydantic import TypeAdapter, ValidationError

from eventstreams.sids import SidKind


class SinkStatus(StrEnum):
    """The reference's ``status`` of a sink."""

    INITIALIZED = "initialized"
    VALIDATING = "validating"
    ACTIVE = "active"
    FAILED = "failed"


class Throttle(StrEnum):
    """How a sink's own answers slow down deliveries to it.

    ``adaptive``: concurrency follows what the sink accepts. ``reference``: the reference's throttle.
    """

    ADAPTIVE = "adaptive"
    REFERENCE = "reference"


class SubscriptionState(StrEnum):
    """``deleting``: nothing is routed to it any more; what waits in its topic is dead-lettered, then it is removed."""

    ACTIVE = "active"
    DELETING = "deleting"


class AccountStatus(StrEnum):
    """The reference's ``status`` of an account.

    ``suspended``: its credentials are refused and its events wait. ``closed``: permanently; what it had is being
    removed.
    """

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class KeyScope(StrEnum):
    """What an API key may do: everything that its account may, only read, or only publish events."""

    FULL = "full"
    READ = "read"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer's account or, with ``owner_account_sid``, a subaccount of one. Its tokens are encrypted.

    Attributes:
        owner_account_sid: The account that it is a subaccount of, if any. A subaccount has no subaccounts.
        secondary_token: Authenticates the account as ``auth_token`` does, and replaces it when it is promoted.
        promote_at_ms: When it is promoted automatically; None: only on request.
    """

    sid: str
    friendly_name: str
    auth_token: str = field(repr=False)
    created_ms: int
    updated_ms: int
    owner_account_sid: str | None = None
    status: AccountStatus = AccountStatus.ACTIVE
    secondary_token: str | None = field(default=None, repr=False)
    promote_at_ms: int | None = None

    def tokens(self, now_ms: int) -> tuple[str, ...]:
        """The (encrypted) tokens that authenticate the account at ``now_ms``; the one used for signing comes first."""
        if self.secondary_token is None:
            return (self.auth_token,)
        if self.promote_at_ms is not None and self.promote_at_ms <= now_ms:
            return (self.secondary_token,)
        return (self.auth_token, self.secondary_token)

    def settled(self, now_ms: int) -> Self:
        """This account, after the promotion if one was due by ``now_ms``."""
        if self.secondary_token is None or self.tokens(now_ms) != (self.secondary_token,):
            return self
        return replace(self, auth_token=self.secondary_token, secondary_token=None, promote_at_ms=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Credentials of an account that can be revoked individually. Revoking a key means removing it.

    Attributes:
        secret_hash: SHA-256 of the secret, in hexadecimal. Secrets are 256 random bits that we generate, so there is no
            dictionary to try, and a slow or salted hash would only add its cost to every request. Whoever reads the
            hash can neither find the secret nor use the hash in its place.
    """

    sid: str
    account_sid: str
    friendly_name: str
    scope: KeyScope
    secret_hash: str = field(repr=False)
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRecord:
    """A destination. ``configuration`` is the encrypted JSON of the plugin's configuration model.

    Attributes:
        paused: Its events wait, bounded by their deadlines.
        rate_limit: The most events per second that it should get; None: as many as it can handle.
        throttle: How its answers slow deliveries.
        test_id: The id in the newest test event, encrypted. None before the first one, and if the sink needs no
            validation.
    """

    sid: str
    account_sid: str
    description: str
    sink_type: str
    configuration: str = field(repr=False)
    status: SinkStatus
    created_ms: int
    updated_ms: int
    paused: bool = False
    rate_limit: float | None = None
    throttle: Throttle = Throttle.ADAPTIVE
    test_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribedType:
    """One event type of a subscription, in the schema version that it is delivered in.

    Attributes:
        since_ms: Events accepted before this time are not delivered. None when first written to the topic: then the
            control record's own timestamp counts, which is by the broker's clock, as the events' are. Later records of
            the same subscription carry the value on.
    """

    type: str
    schema_version: int
    since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The events that a sink gets. ``sink_type`` is the sink's, repeated here because it is part of the topic's name.

    Attributes:
        ttl_ms: How long after acceptance its events are tried, at most the setting's value; None: the setting's value.
        paused: Its events wait, bounded by their deadlines.
        filter: A CEL expression (``eventstreams.filters``); only events for which it is true are delivered. None: all.
        filter_since_ms: When the filter was written; filled in like ``since_ms`` of a type.
        receive_events_from_subaccounts: It gets events of the account's subaccounts too.
        retry_delays_ms: Longest wait after the first, second, … attempt; the last repeats. None: the setting's.
        max_attempts: After this many attempts an event is a dead letter; None: limited only by its deadline.
        partitions: The least number of partitions of its topic, which never shrinks.
    """

    sid: str
    account_sid: str
    sink_sid: str
    sink_type: str
    description: str
    types: tuple[SubscribedType, ...]
    created_ms: int
    updated_ms: int
    state: SubscriptionState = SubscriptionState.ACTIVE
    ttl_ms: int | None = None
    paused: bool = False
    receive_events_from_subaccounts: bool = False
    filter: str | None = None
    filter_since_ms: int | None = None
    retry_delays_ms: tuple[int, ...] | None = None
    max_attempts: int | None = None
    partitions: int = 1
    _by_name: Mapping[str, SubscribedType] | None = field(default=None, init=False, repr=False, compare=False)

    def type_named(self, name: str) -> SubscribedType | None:
        """Its entry for the event type ``name``; None if it is not subscribed to that."""
        by_name = self._by_name
        if by_name is None:  # made on first use: workers ask for every event, most processes never
            by_name = {each.type: each for each in self.types}
            object.__setattr__(self, "_by_name", by_name)
        return by_name.get(name)

    @property
    def retry_delays(self) -> Sequence[timedelta] | None:
        """``retry_delays_ms`` as durations."""
        own = self.retry_delays_ms
        return None if own is None else [timedelta(milliseconds=each) for each in own]

    def lives_ms(self, most_ms: int) -> int:
        """How long its events are tried, in ms. ``most_ms`` is the setting, which may have been lowered below its ttl.

        Topics retain records for the setting's time plus a day, so Kafka would drop whatever is tried for longer.
        """
        return most_ms if self.ttl_ms is None else min(self.ttl_ms, most_ms)

    def dated(self, at_ms: int) -> Self:
        """This subscription with ``at_ms`` filled in for every ``since_ms`` and ``filter_since_ms`` that is open."""
        types = tuple(replace(each, since_ms=at_ms) if each.since_ms is None else each for each in self.types)
        since_ms = at_ms if self.filter is not None and self.filter_since_ms is None else self.filter_since_ms
        return replace(self, types=types, filter_since_ms=since_ms)


Resource = Account | ApiKey | SinkRecord | Subscription

_KINDS: Final = {
    SidKind.ACCOUNT: Account,
    SidKind.API_KEY: ApiKey,
    SidKind.SINK: SinkRecord,
    SidKind.SUBSCRIPTION: Subscription,
}
_ADAPTERS: Final[dict[SidKind, TypeAdapter[Resource]]] = {kind: TypeAdapter(cls) for kind, cls in _KINDS.items()}
_NAMES: Final = {
    SidKind.ACCOUNT: "account",
    SidKind.API_KEY: "key",
    SidKind.SINK: "sink",
    SidKind.SUBSCRIPTION: "subscription",
}


class ControlRecordError(ValueError):
    """A record of the control topic that this release cannot read."""


def key_of(sid: str) -> bytes:
    """The key of the resource ``sid`` on the control topic."""
    return f"{_NAMES[SidKind(sid[:2])]}/{sid}".encode()


def sid_of(key: bytes | None) -> str:
    """The SID of the resource that ``key`` names.

    Raises:
        ControlRecordError: it names none.
    """
    name, _, sid = (key or b"").decode(errors="replace").partition("/")
    try:
        known = _NAMES[SidKind(sid[:2])] == name
    except (ValueError, KeyError):
        known = False
    if not known:
        raise ControlRecordError(f"key {key!r} is not the key of a resource")
    return sid


def encode(resource: Resource) -> bytes:
    return orjson.dumps(resource)


def decode(sid: str, value: bytes) -> Resource:
    """Decode the resource ``sid``. Fields added by a later release are ignored.

    Raises:
        ControlRecordError: ``value`` is not such a resource.
    """
    try:
        return _ADAPTERS[SidKind(sid[:2])].validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ControlRecordError(f"{sid}: {first['loc']}: {first['msg']}") from None
