"""Which subscriptions an event may be for, their filters aside. Pure; from its headers alone, never from its value.

A lookup costs the same with ten subscriptions as with a hundred thousand: one dictionary, by account and type.
"""

from collections.abc import Callable
from dataclasses import dataclass

from eventstreams.control.records import Resource, Subscription, SubscriptionState
from eventstreams.control.snapshot import Change, Snapshot


@dataclass(frozen=True, slots=True)
class Route:
    """One subscription's interest in one event type.

    Attributes:
        filter: What else must hold of an event, in CEL; None: nothing.
        schema_version: In which its data is delivered, hence filtered.
    """

    subscription_sid: str
    sink_type: str
    topic: str
    since_ms: int
    ttl_ms: int
    filter: str | None
    schema_version: int


TopicOf = Callable[[str, str], str]
_Key = tuple[bytes, bytes]


class Matcher:
    """The routes of all subscriptions. Changes on the event loop; may be asked from one other thread at a time.

    The values of the index are tuples that are replaced whole, so a reader sees a subscription before or after
    a change, never in between.
    """

    def __init__(self, *, default_ttl_ms: int, topic_of: TopicOf) -> None:
        """A matcher without routes.

        Args:
            default_ttl_ms: For subscriptions that ask for no other.
            topic_of: Name of a subscription's topic, by sink type and subscription SID.
        """
        self._default_ttl_ms = default_ttl_ms
        self._topic_of = topic_of
        self._routes: dict[_Key, tuple[Route, ...]] = {}

    def load(self, snapshot: Snapshot) -> None:
        """Take in every subscription of ``snapshot``."""
        for subscription in snapshot.subscriptions.values():
            self._add(subscription)

    def apply(self, change: Change) -> None:
        """Follow one change of the control topic."""
        before, after = _active(change.before), _active(change.after)
        if before is not None:
            self._remove(before)
        if after is not None:
            self._add(after)

    def match(self, account: bytes, event_type: bytes, accepted_at_ms: int) -> list[Route]:
        """The subscriptions that want an event of ``account`` and ``event_type``, accepted at that time."""
        return [route for route in self._routes.get((account, event_type), ()) if route.since_ms <= accepted_at_ms]

    def route_to(self, topic: str) -> Route | None:
        """A route that leads to ``topic`` now. Looks through all; for the rare case of a topic that is missing."""
        found = (route for routes in self._routes.copy().values() for route in routes if route.topic == topic)
        return next(found, None)

    def _add(self, subscription: Subscription) -> None:
        if subscription.state is not SubscriptionState.ACTIVE:
            return
        for each in subscription.types:
            key = (subscription.account_sid.encode(), each.type.encode())
            route = Route(
                subscription.sid,
                subscription.sink_type,
                self._topic_of(subscription.sink_type, subscription.sid),
                each.since_ms or 0,
                subscription.ttl_ms or self._default_ttl_ms,
                subscription.filter,
                each.schema_version,
            )
            self._routes[key] = (*self._routes.get(key, ()), route)

    def _remove(self, subscription: Subscription) -> None:
        for each in subscription.types:
            key = (subscription.account_sid.encode(), each.type.encode())
            left = tuple(route for route in self._routes.get(key, ()) if route.subscription_sid != subscription.sid)
            if left:
                self._routes[key] = left
            else:
                self._routes.pop(key, None)


def _active(resource: Resource | None) -> Subscription | None:
    return resource if isinstance(resource, Subscription) and resource.state is SubscriptionState.ACTIVE else None
