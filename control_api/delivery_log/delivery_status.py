"""Where one event is now, for each subscription that it is for. Pure.

What the log has of it decides; of what it has nothing, the routes and the offsets of the router tell.
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
    """Where a record is. ``offset``: None where only its partition is known; ``partition`` likewise."""

    topic: str
    partition: int | None = None
    offset: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        """From ``topic/partition/offset``."""
        topic, partition, offset = (*text.split("/"), "", "")[:3]
        return cls(topic, _number(partition), _number(offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """One subscription's part.

    Attributes:
        sink_sid: None where it is not known any more.
        place: None for delivered, filtered and unrecorded.
        last: What was logged last; None before the first attempt.
        attempts: How many there were.
        next_try_ms: None where there will be none, or at once.
        deadline_ms: None where it is not known.
        paused: The subscription or its sink is paused.
        kept_back: By the filter, and why; None where it is not.
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
    """The last of ``entries`` of each subscription."""
    found: dict[str, LoggedEntry] = {}
    for each in entries:
        sid = each.entry.subscription_sid
        if sid not in found or _is_later(each, found[sid]):
            found[sid] = each
    return {sid: each.entry for sid, each in found.items()}


def _is_later(one: LoggedEntry, other: LoggedEntry) -> bool:
    """In the order of the log; but a redrive and the attempt that follows it are told by different processes."""
    if EntryKind.REDRIVEN not in (one.entry.kind, other.entry.kind):
        return one.mark > other.mark
    if one.entry.at_ms == other.entry.at_ms:
        return other.entry.kind == EntryKind.REDRIVEN
    return one.entry.at_ms > other.entry.at_ms


def matching(event: AcceptedEvent, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
    """Those of the account's ``subscriptions`` that the router copies ``event`` to, as they are now, filters aside."""
    return [
        each
        for each in subscriptions
        if each.state is SubscriptionState.ACTIVE
        and any(wanted.type == event.type and (wanted.since_ms or 0) <= event.accepted_ms for wanted in each.types)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many subscriptions an event is so far for.

    Attributes:
        waiting: Those of which nothing is logged yet, and those that were redriven.
        filtered_or_waiting: Those with a filter of which nothing is logged: to know which, it would have to be read.
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
    """How it is with an event.

    Args:
        last: The kind of its last entry, by subscription.
        wanting: The subscriptions that it matches.
    """
    found = Counter(_STATE_OF[EntryKind(kind)] for kind in last.values())
    silent = [each for each in wanting if each.sid not in last]
    found["waiting"] += sum(each.filter is None for each in silent)
    found["filtered_or_waiting"] += sum(each.filter is not None for each in silent)
    return Counts(**found)


def after_entry(entry: Entry, *, topics: Topics, wheel: RetryWheel, now_ms: int) -> DeliveryStatus:
    """What the last entry of a subscription says."""
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
    """What can be said of a matching subscription of which nothing is logged.

    Args:
        event: Which.
        subscription: For whom.
        routed: The router is past the event.
        gone: Everything in the subscription's topic is settled, and what was settled would be in the log by now.
        kept_back: What the subscription's filter answers if it keeps the event back; None: it does not.
        topics: Names.
        ttl_ms: For subscriptions that ask for no other; the most that any gets.
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
    """Where a record that waits for its retry is now: it moves on to shorter slots without being logged."""
    if put is None or entry.next_at_ms is None:
        return put
    if put.topic == topics.subscription(entry.sink_type, entry.subscription_sid):
        return put  # its sink as a whole does not work: it waits where it is
    put_ms = entry.at_ms + (entry.duration_ms or 0)
    slot = wheel.resting_slot(put_ms=put_ms, not_before_ms=entry.next_at_ms, now_ms=now_ms)
    now = Place(topics.retry(entry.sink_type, slot.delay), slot.partition)
    return put if (put.topic, put.partition) == (now.topic, now.partition) else now


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
