"""Finds where one event is now, for each subscription that it is for. Pure.

What the log has of it decides. If it has nothing for a subscription, the router's routes and offsets do.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from control_api.delivery_log.store import AcceptedEvent, LoggedEntry
from eventstreams.attempts import Entry, EntryKind
from eventstreams.client.values import DeliveryState
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.filters import Answer
from eventstreams.retry import RetryWheel
from eventstreams.topics import Topics


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a record. ``offset`` is None if only its partition is known, ``partition`` if only its topic is."""

    topic: str
    partition: int | None = None
    offset: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Parse ``topic/partition/offset``."""
        topic, partition, offset = (*text.split("/"), "", "")[:3]
        return cls(topic, _number(partition), _number(offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """The delivery of an event to one subscription.

    Attributes:
        subscription_sid: The subscription.
        sink_sid: Its sink; None if it is no longer known.
        state: What has become of the event.
        place: Where its record is; None if it was delivered, filtered or is unrecorded.
        last: The last entry in the log; None before the first attempt.
        attempts: The number of attempts.
        next_try_ms: When it is tried next; None if it is not, or if at once.
        deadline_ms: When it expires; None if that is not known.
        paused: Whether the subscription or its sink is paused.
        kept_back: Why the filter keeps the event back; None if it does not.
    """

    subscription_sid: str
    sink_sid: str | None
    state: DeliveryState
    place: Place | None
    last: Entry | None = None
    attempts: int = 0
    next_try_ms: int | None = None
    deadline_ms: int | None = None
    paused: bool = False
    kept_back: Answer | None = None


def latest(entries: Iterable[LoggedEntry]) -> Mapping[str, Entry]:
    """The last entry of each subscription."""
    found: dict[str, LoggedEntry] = {}
    for each in entries:
        sid = each.entry.subscription_sid
        if sid not in found or _is_later(each, found[sid]):
            found[sid] = each
    return {sid: each.entry for sid, each in found.items()}


def _is_later(one: LoggedEntry, other: LoggedEntry) -> bool:
    """Compare by the order of the log, or by time for a redrive: its entry and those of workers may be out of order.

    They are written by different processes.
    """
    if EntryKind.REDRIVEN not in (one.entry.kind, other.entry.kind):
        return one.mark > other.mark
    if one.entry.at_ms == other.entry.at_ms:
        return other.entry.kind == EntryKind.REDRIVEN
    return one.entry.at_ms > other.entry.at_ms


def matching(event: AcceptedEvent, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
    """Those of ``subscriptions``, as they are now, that match ``event``; filters are not considered."""
    return [
        each
        for each in subscriptions
        if each.state is SubscriptionState.ACTIVE
        and any(wanted.type == event.type and (wanted.since_ms or 0) <= event.accepted_ms for wanted in each.types)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """For how many subscriptions an event is in each state.

    Attributes:
        delivered: It was delivered.
        retrying: It will be tried again.
        dead: It is a dead letter.
        waiting: Nothing is logged yet, or it was redriven.
        filtered_or_waiting: Nothing is logged, and there is a filter: to know whether it keeps the event back, the
            event would have to be read.
    """

    delivered: int = 0
    retrying: int = 0
    dead: int = 0
    waiting: int = 0
    filtered_or_waiting: int = 0


_STATE_OF: Mapping[EntryKind, str] = {
    EntryKind.DELIVERED: "delivered",
    EntryKind.RETRY_LATER: "retrying",
    EntryKind.REJECTED: "dead",
    EntryKind.DIED: "dead",
    EntryKind.REDRIVEN: "waiting",
}


def counts_of(last: Mapping[str, str], wanting: Iterable[Subscription]) -> Counts:
    """Count the states of an event.

    Args:
        last: The kind of its last entry, by subscription.
        wanting: The subscriptions that match it.
    """
    found = Counter(_STATE_OF[EntryKind(kind)] for kind in last.values())
    silent = [each for each in wanting if each.sid not in last]
    found["waiting"] += sum(each.filter is None for each in silent)
    found["filtered_or_waiting"] += sum(each.filter is not None for each in silent)
    return Counts(**found)


def after_entry(entry: Entry, *, topics: Topics, wheel: RetryWheel, now_ms: int) -> DeliveryStatus:
    """The status according to the last entry of a subscription."""
    kind = EntryKind(entry.kind)
    place = None if entry.rests_at is None else Place.parse(entry.rests_at)
    found = DeliveryStatus(
        subscription_sid=entry.subscription_sid,
        sink_sid=entry.sink_sid,
        state=DeliveryState.DELIVERED,
        place=place,
        last=entry,
        attempts=entry.attempt,
        deadline_ms=entry.deadline_ms,
    )
    match kind:
        case EntryKind.DELIVERED:
            return found
        case EntryKind.RETRY_LATER:
            next_ms = entry.next_at_ms
            expires = next_ms is None or (entry.deadline_ms is not None and next_ms >= entry.deadline_ms)
            return replace(
                found,
                state=DeliveryState.RETRYING,
                place=_on_wheel(entry, place, topics, wheel, now_ms),
                next_try_ms=None if expires else next_ms,
            )
        case EntryKind.REJECTED | EntryKind.DIED:
            return replace(found, state=DeliveryState.DEAD)
        case EntryKind.REDRIVEN:
            return replace(found, state=DeliveryState.WAITING)
        case _:
            assert_never(kind)


def before_entry(
    event: AcceptedEvent,
    subscription: Subscription,
    *,
    routed: bool,
    gone: bool,
    kept_back: Answer | None,
    topics: Topics,
    ttl_ms: int,
) -> DeliveryStatus:
    """The status for a matching subscription for which nothing is logged.

    Args:
        event: The event.
        subscription: The subscription.
        routed: Whether the router has passed the event.
        gone: Whether everything in the subscription's topic is settled, and would be in the log by now.
        kept_back: The answer of the subscription's filter if it keeps the event back; None if it does not.
        topics: Names topics.
        ttl_ms: The ttl in the settings: the default for subscriptions, and their maximum.
    """
    topic = topics.subscription(subscription.sink_type, subscription.sid)
    if not routed:
        state, place = DeliveryState.ROUTING, Place(topics.events, event.partition, event.offset)
    elif kept_back is not None:
        state, place = DeliveryState.FILTERED, None
    elif not gone:
        state, place = DeliveryState.WAITING, Place(topic)
    else:
        state, place = DeliveryState.UNRECORDED, None
    return DeliveryStatus(
        subscription_sid=subscription.sid,
        sink_sid=subscription.sink_sid,
        state=state,
        place=place,
        deadline_ms=None if state is DeliveryState.FILTERED else event.accepted_ms + subscription.lives_ms(ttl_ms),
        kept_back=kept_back if state is DeliveryState.FILTERED else None,
    )


def _on_wheel(entry: Entry, put: Place | None, topics: Topics, wheel: RetryWheel, now_ms: int) -> Place | None:
    """Where a record that waits for its retry is now: it moves to shorter slots without being logged."""
    if put is None or entry.next_at_ms is None:
        return put
    if put.topic == topics.subscription(entry.sink_type, entry.subscription_sid):
        return put  # its sink is broken: it waits where it is
    put_ms = entry.at_ms + (entry.duration_ms or 0)
    slot = wheel.resting_slot(put_ms=put_ms, not_before_ms=entry.next_at_ms, now_ms=now_ms)
    now = Place(topics.retry(entry.sink_type, slot.delay), slot.partition)
    return put if (put.topic, put.partition) == (now.topic, now.partition) else now


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
