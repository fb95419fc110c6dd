"""Which subscriptions match an event's headers, before any filters are evaluated. No I/O; never reads the value.

A lookup costs the same with ten subscriptions as with a hundred thousand: one dictionary, keyed by account and type.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from eventstreams.control.records import Account, Resource, Subscription, SubscriptionState
from eventstreams.control.snapshot import Change, Snapshot


@dataclass(frozen=True, slots=True)
class Route:
    """One subscription's interest in one event type.

    Attributes:
        topic: The subscription's topic.
        since_ms: Events accepted before this time do not match, in ms since the epoch.
        ttl_ms: How long delivery is attempted, in ms after acceptance.
        family_of: Its account if it also receives events of that account's subaccounts, else None.
        filter: A CEL expression that an event must satisfy as well; None if there is none.
        schema_version: Version in which the data is delivered, and therefore filtered.
        partitions: Number of partitions of ``topic``.
    """

    subscription_sid: str
    sink_type: str
    topic: str
    since_ms: int
    ttl_ms: int
    family_of: str | None
    filter: str | None
    schema_version: int
    partitions: int = 1


TopicOf = Callable[[str, str], str]
_Key = tuple[bytes, bytes]
_Index = dict[_Key, tuple[Route, ...]]


class Matcher:
    """The routes of all subscriptions. Changed on the event loop; one other thread at a time may read.

    The indexes' values are tuples that are replaced as a whole, so a reader sees a subscription's interest in a type
    as it was before a change or after it, never in between.
    """

    def __init__(self, *, default_ttl_ms: int, topic_of: TopicOf, discontinued: Container[str] = ()) -> None:
        """Start without routes.

        Args:
            default_ttl_ms: Time to live for subscriptions that set none; also the maximum.
            topic_of: Returns the name of a subscription's topic, given sink type and subscription SID.
            discontinued: Event types that are not routed any more, even if subscribed to.
        """
        self._default_ttl_ms = default_ttl_ms
        self._topic_of = topic_of
        self._discontinued = discontinued
        self._routes: _Index = {}
        self._family: _Index = {}  # subscriptions that include subaccounts, by their own account
        self._owners: dict[bytes, bytes] = {}  # subaccount → the account that owns it
        self.version = 0
        """Changes with every change of routes, which makes earlier results stale."""

    def load(self, snapshot: Snapshot) -> None:
        """Add every account and subscription of ``snapshot``."""
        for account in snapshot.accounts.values():
            self.apply(Change(None, account))
        for subscription in snapshot.subscriptions.values():
            self.apply(Change(None, subscription))

    def apply(self, change: Change) -> None:
        """Apply one change read from the control topic."""
        match change.after or change.before:
            case Account(sid=sid):
                self._own(sid.encode(), change.after)
                self.version += 1
            case Subscription(sid=sid):
                before, after = self._by_key(change.before), self._by_key(change.after)
                for key in before.keys() | after.keys():
                    _put(self._routes, key, sid, after.get(key))
                    _put(self._family, key, sid, _for_family(after.get(key)))
                self.version += 1
            case _:
                return

    def match(self, account: bytes, event_type: bytes, accepted_at_ms: int) -> list[Route]:
        """Return the routes of an event of ``account`` and ``event_type`` that was accepted at ``accepted_at_ms``."""
        found = self._routes.get((account, event_type), ())
        if owner := self._owners.get(account):
            found = (*found, *self._family.get((owner, event_type), ()))
        return [route for route in found if route.since_ms <= accepted_at_ms]

    def route_to(self, topic: str) -> Route | None:
        """Return a current route to ``topic``, if any. Scans all routes: only for the rare case of a missing topic."""
        found = (route for routes in self._routes.copy().values() for route in routes if route.topic == topic)
        return next(found, None)

    def topics(self) -> set[str]:
        """Return all topics that a route leads to now. Scans all routes."""
        return {route.topic for routes in self._routes.copy().values() for route in routes}

    def _own(self, sid: bytes, account: Resource | None) -> None:
        owner = account.owner_account_sid if isinstance(account, Account) else None
        if owner is None:
            self._owners.pop(sid, None)
        else:
            self._owners[sid] = owner.encode()

    def _by_key(self, resource: Resource | None) -> dict[_Key, Route]:
        """Return the routes that ``resource`` adds, by key; none unless it is an active subscription."""
        if not isinstance(resource, Subscription) or resource.state is not SubscriptionState.ACTIVE:
            return {}
        account, topic = resource.account_sid, self._topic_of(resource.sink_type, resource.sid)
        ttl_ms = resource.lives_ms(self._default_ttl_ms)
        family_of = account if resource.receive_events_from_subaccounts else None
        return {
            (account.encode(), each.type.encode()): Route(
                resource.sid,
                resource.sink_type,
                topic,
                each.since_ms or 0,
                ttl_ms,
                family_of,
                resource.filter,
                each.schema_version,
                resource.partitions,
            )
            for each in resource.types
            if each.type not in self._discontinued
        }


def _for_family(route: Route | None) -> Route | None:
    return None if route is None or route.family_of is None else route


def _put(index: _Index, key: _Key, sid: str, route: Route | None) -> None:
    """Replace the route of subscription ``sid`` under ``key`` by ``route``, atomically; None removes it."""
    others = tuple(each for each in index.get(key, ()) if each.subscription_sid != sid)
    if route is not None:
        index[key] = (*others, route)
    elif others:
        index[key] = others
    else:
        index.pop(key, None)
