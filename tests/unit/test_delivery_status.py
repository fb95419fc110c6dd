"""Where an event is now: from the last entry of each subscription, and from the offsets where there is none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from control_api.delivery_log.delivery_status import (
    Counts,
    DeliveryStatus,
    Place,
    after_entry,
    before_entry,
    counts_of,
    latest,
    matching,
)
from eventstreams.attempts import Entry
from eventstreams.client.values import DeliveryState
from eventstreams.control.records import SubscribedType, Subscription, SubscriptionState
from eventstreams.retry import RetryWheel
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from tests.support.delivery_log import logged, make_event
from tests.support.entries import ACCOUNT, NOW_MS, SINK, SUBSCRIPTION, make_entry

TOPICS = Topics(Settings.load())
WHEEL = RetryWheel([timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2)], partitions=12)
SUBSCRIBED = Subscription(
    sid=SUBSCRIPTION,
    account_sid=ACCOUNT,
    sink_sid=SINK,
    sink_type="webhook",
    description="",
    types=(SubscribedType(type="com.acme.message.sent", schema_version=1, since_ms=NOW_MS),),
    created_ms=1,
    updated_ms=1,
)


def after(entry: Entry, *, now_ms: int = NOW_MS + 20) -> DeliveryStatus:
    return after_entry(entry, topics=TOPICS, wheel=WHEEL, now_ms=now_ms)


def before(*, routed: bool = True, gone: bool = True) -> DeliveryStatus:
    return before_entry(
        make_event(offset=7), SUBSCRIBED, routed=routed, gone=gone, kept_back=None, topics=TOPICS, ttl_ms=60_000
    )


def test_a_delivered_event_is_nowhere_else() -> None:
    found = after(make_entry(attempt=3))

    assert (found.state, found.place, found.attempts, found.next_try_ms) == (DeliveryState.DELIVERED, None, 3, None)


@pytest.mark.parametrize("kind", ["rejected", "died"])
def test_a_dead_event_is_a_dead_letter(kind: str) -> None:
    found = after(make_entry(kind))

    assert (found.state, found.place) == (DeliveryState.DEAD, Place("es.dead.webhook", 0, 3))


def test_a_redriven_event_waits_on_its_subscriptions_topic_again() -> None:
    found = after(make_entry("redriven", rests_at=f"es.sub.webhook.{SUBSCRIPTION}/0/12"))

    assert (found.state, found.place) == (DeliveryState.WAITING, Place(f"es.sub.webhook.{SUBSCRIPTION}", 0, 12))


def retrying(*, wait_s: int, deadline_s: int = 600) -> Entry:
    slot = WHEEL.slot(wait_s * 1000)
    return make_entry(
        "retry_later",
        duration_ms=0,
        rests_at=f"{TOPICS.retry('webhook', slot.delay)}/{slot.partition}/99",
        next_at_ms=NOW_MS + wait_s * 1000,
        deadline_ms=NOW_MS + deadline_s * 1000,
    )


def test_an_event_that_waits_for_its_retry_is_where_it_was_put() -> None:
    found = after(retrying(wait_s=50))

    assert (found.state, found.next_try_ms) == (DeliveryState.RETRYING, NOW_MS + 50_000)
    assert found.place == Place("es.retry.webhook.2m", 4, 99)


def test_an_event_whose_slot_came_round_is_on_a_shorter_one() -> None:
    found = after(retrying(wait_s=58), now_ms=NOW_MS + 57_000)

    assert found.place == Place("es.retry.webhook.30s", 2)


def test_an_event_whose_next_try_would_be_too_late_waits_for_its_deadline() -> None:
    found = after(retrying(wait_s=600, deadline_s=600))

    assert (found.state, found.next_try_ms, found.deadline_ms) == (DeliveryState.RETRYING, None, NOW_MS + 600_000)


def test_the_last_entry_of_each_subscription_counts_whatever_order_they_are_read_in() -> None:
    other = "DF" + "2" * 32
    entries = [
        logged(make_entry(at_ms=NOW_MS + 9, attempt=2), 1),
        logged(make_entry("retry_later"), 5, partition=1),
        logged(make_entry("died", subscription_sid=other), 2),
    ]

    assert latest(entries) == {SUBSCRIPTION: entries[0].entry, other: entries[2].entry}
    assert latest(reversed(entries)) == latest(entries)


@pytest.mark.parametrize("mark", [1, 3], ids=["read before", "read after"])
def test_a_redrive_comes_before_the_attempt_that_follows_it_in_whatever_order_they_are_read(mark: int) -> None:
    dead = logged(make_entry("rejected", at_ms=NOW_MS), offset=0)
    redriven = logged(make_entry("redriven", at_ms=NOW_MS + 5), offset=mark)
    delivered = logged(make_entry("delivered", at_ms=NOW_MS + 5), offset=2)

    assert latest([dead, redriven]) == {SUBSCRIPTION: redriven.entry}
    assert latest([dead, redriven, delivered]) == {SUBSCRIPTION: delivered.entry}
    assert latest([delivered, redriven, dead]) == {SUBSCRIPTION: delivered.entry}


@pytest.mark.parametrize(
    ("changed", "matches"),
    [
        pytest.param(SUBSCRIBED, True, id="as it is"),
        pytest.param(replace(SUBSCRIBED, state=SubscriptionState.DELETING), False, id="being deleted"),
        pytest.param(replace(SUBSCRIBED, types=()), False, id="not of this type"),
        pytest.param(
            replace(SUBSCRIBED, types=(replace(SUBSCRIBED.types[0], since_ms=NOW_MS + 1),)), False, id="made later"
        ),
    ],
)
def test_subscriptions_match_as_the_router_has_it(changed: Subscription, matches: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert bool(matching(make_event(), [changed])) is matches


def test_an_event_that_the_router_has_not_come_to_is_on_the_events_topic() -> None:
    found = before(routed=False)

    assert (found.state, found.place) == (DeliveryState.ROUTING, Place("es.events", 0, 7))


def test_an_event_without_an_attempt_waits_on_its_subscriptions_topic() -> None:
    topic = TOPICS.subscription("webhook", SUBSCRIPTION)

    found = before(gone=False)

    assert (found.state, found.place, found.attempts) == (DeliveryState.WAITING, Place(topic), 0)
    assert (found.sink_sid, found.deadline_ms) == (SINK, NOW_MS + 60_000)


def test_an_event_that_waits_for_a_sink_that_does_not_work_is_where_it_was() -> None:
    topic = TOPICS.subscription("webhook", SUBSCRIPTION)

    found = after(make_entry("retry_later", rests_at=f"{topic}/0/7", next_at_ms=NOW_MS + 30_000))

    assert (found.state, found.place) == (DeliveryState.RETRYING, Place(topic, 0, 7))
    assert found.next_try_ms == NOW_MS + 30_000


def test_an_event_that_was_settled_without_being_logged_is_said_to_be() -> None:
    found = before(gone=True)

    assert (found.state, found.place) == (DeliveryState.UNRECORDED, None)


def test_what_became_of_an_event_is_counted_by_subscription() -> None:
    last = {"DF1": "delivered", "DF2": "delivered", "DF3": "retry_later", "DF4": "rejected", "DF5": "died"}
    silent = replace(SUBSCRIBED, sid="DF7")
    wanting = [replace(SUBSCRIBED, sid="DF1"), silent, replace(silent, sid="DF8", filter="id != ''")]

    counts = counts_of({**last, "DF6": "redriven"}, wanting)

    assert counts == Counts(delivered=2, retrying=1, dead=2, waiting=2, filtered_or_waiting=1)
    assert counts_of({}, ()) == Counts()
