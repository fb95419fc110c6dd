"""The resources of the control plane, as they stand on the control topic: JSON under the key ``<kind>/<sid>``.

Secrets are only ever here in encrypted form (``eventstreams.control.vault``).
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
    """``deleting``: no route leads to it any more; what waits in its topic becomes dead letters, then it goes."""

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
    """A customer, or with ``owner_account_sid`` a part of one: a subaccount. Its tokens are encrypted.

    Attributes:
        owner_account_sid: Whose subaccount it is; None: nobody's. A subaccount has no subaccounts.
        secondary_token: Proves the account as ``auth_token`` does, and takes its place when it is promoted.
        promote_at_ms: When that happens by itself; None: when somebody says so.
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
        """The (encrypted) tokens that prove the account at ``now_ms``, the one that signs first."""
        if self.secondary_token is None:
            return (self.auth_token,)
        if self.promote_at_ms is not None and self.promote_at_ms <= now_ms:
            return (self.secondary_token,)
        return (self.auth_token, self.secondary_token)

    def settled(self, now_ms: int) -> Self:
        """The same, with a promotion that was due by ``now_ms`` done."""
        if self.secondary_token is None or self.tokens(now_ms) != (self.secondary_token,):
            return self
        return replace(self, auth_token=self.secondary_token, secondary_token=None, promote_at_ms=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Credentials of an account that can be taken away one by one. To revoke a key is to remove it.

    Attributes:
        secret_hash: SHA-256 of the secret, in hexadecimal. Secrets are 256 random bits of our own making, so there
            is no dictionary to try and a slow or salted hash would add nothing but its cost, on every request;
            whoever reads the hash can neither find the secret nor use the hash in its place.
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
        rate_limit: Most events a second that it is to get; None: as many as it takes.
        throttle: How its answers slow us.
        test_id: What is in the newest test event, encrypted. None before the first, and where none is asked for.
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
        since_ms: Events accepted before this are not for it. None on the topic at first: then the control
            record's own time counts, which is the broker's clock as the events' is; a later record of the same
            subscription carries it on.
    """

    type: str
    schema_version: int
    since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a sink gets. ``sink_type`` is the sink's, repeated here because it names the topic.

    Attributes:
        ttl_ms: How long its events are tried after they were accepted, at most the setting; None: the setting.
        paused: Its events wait, bounded by their deadlines.
        filter: In CEL (``eventstreams.filters``); only events for which it is true are for the sink. None: all are.
        filter_since_ms: When the filter was written; as ``since_ms`` of a type.
        receive_events_from_subaccounts: It is for events of the account's subaccounts as well.
        retry_delays_ms: Longest wait after the first, second, … attempt; the last repeats. None: the setting's.
        max_attempts: So many attempts, then an event is a dead letter; None: as many as its deadline leaves room for.
        partitions: Of its topic, at least; it never shrinks.
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
        """What it says of the event type ``name``; None where it does not want it."""
        by_name = self._by_name
        if by_name is None:  # made once, by who asks: workers do for every event, and most processes never
            by_name = {each.type: each for each in self.types}
            object.__setattr__(self, "_by_name", by_name)
        return by_name.get(name)

    @property
    def retry_delays(self) -> Sequence[timedelta] | None:
        """``retry_delays_ms`` as times."""
        own = self.retry_delays_ms
        return None if own is None else [timedelta(milliseconds=each) for each in own]

    def lives_ms(self, most_ms: int) -> int:
        """How long its events are tried, in ms; ``most_ms``: the setting, which may be shorter now than what it asked.

        Topics are made to keep what waits for the setting and a day: what is tried for longer Kafka would drop.
        """
        return most_ms if self.ttl_ms is None else min(self.ttl_ms, most_ms)

    def dated(self, at_ms: int) -> Self:
        """This subscription with the times since when something counts filled in where they are open."""
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
    """The resource that ``key`` names.

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
    """The resource ``sid``. Fields of a later release are ignored.

    Raises:
        ControlRecordError: ``value`` is not such a resource.
    """
    try:
        return _ADAPTERS[SidKind(sid[:2])].validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ControlRecordError(f"{sid}: {first['loc']}: {first['msg']}") from None
