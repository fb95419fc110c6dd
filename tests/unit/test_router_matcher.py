"""The matcher: which subscriptions an event is for."""

import dataclasses

import pytest

from eventstreams.control.records import SubscribedType, Subscription, SubscriptionState
from eventstreams.control.snapshot import Change, Snapshot
from router.matcher import Matcher

ACCOUNT, OTHER = "AC" + "1" * 32, "AC" + "2" * 32
SENT, READ = "com.acme.message.sent", "com.acme.message.read"


def subscription(number: int, *types: str, account: str = ACCOUNT, **changes: object) -> Subscription:
    made = Subscription(
        sid=f"DF{number:032x}",
        account_sid=account,
        sink_sid="DG" + "0" * 32,
        sink_type="webhook",
        description="",
        types=tuple(SubscribedType(type=name, schema_version=1, since_ms=100) for name in types),
        created_ms=1,
        updated_ms=1,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]  # any field


@pytest.fixture
def matcher() -> Matcher:
    return Matcher(default_ttl_ms=14_400_000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")


def matched(matcher: Matcher, event_type: str, *, account: str = ACCOUNT, at: int = 100) -> list[str]:
    return [route.subscription_sid for route in matcher.match(account.encode(), event_type.encode(), at)]


def test_an_event_goes_to_every_subscription_of_its_account_and_type(matcher: Matcher) -> None:
    one, two, three = subscription(1, SENT), subscription(2, SENT, READ), subscription(3, SENT, account=OTHER)
    for each in (one, two, three):
        matcher.apply(Change(None, each))

    assert matched(matcher, SENT) == [one.sid, two.sid]
    assert matched(matcher, READ) == [two.sid]
    assert matched(matcher, SENT, account=OTHER) == [three.sid]
    assert matched(matcher, "com.acme.unknown") == []


def test_events_accepted_before_a_subscription_are_not_for_it(matcher: Matcher) -> None:
    matcher.apply(Change(None, subscription(1, SENT)))

    assert matched(matcher, SENT, at=99) == []
    assert len(matched(matcher, SENT, at=100)) == 1


def test_a_changed_subscription_is_matched_as_it_is_now(matcher: Matcher) -> None:
    before, after = subscription(1, SENT), subscription(1, READ)
    matcher.apply(Change(None, before))

    matcher.apply(Change(before, after))

    assert matched(matcher, SENT) == []
    assert matched(matcher, READ) == [after.sid]


@pytest.mark.parametrize("gone", [None, SubscriptionState.DELETING])
def test_a_subscription_that_goes_is_matched_no_more(matcher: Matcher, gone: SubscriptionState | None) -> None:
    before, stays = subscription(1, SENT), subscription(2, SENT)
    matcher.apply(Change(None, before))
    matcher.apply(Change(None, stays))

    matcher.apply(Change(before, None if gone is None else dataclasses.replace(before, state=gone)))

    assert matched(matcher, SENT) == [stays.sid]


def test_a_subscription_may_ask_for_a_shorter_life_of_its_events(matcher: Matcher) -> None:
    matcher.apply(Change(None, subscription(1, SENT, ttl_ms=60_000)))

    assert [route.ttl_ms for route in matcher.match(ACCOUNT.encode(), SENT.encode(), 100)] == [60_000]


def test_a_snapshot_is_loaded_whole(matcher: Matcher) -> None:
    snapshot = Snapshot()
    active, going = subscription(1, SENT), subscription(2, SENT, state=SubscriptionState.DELETING)
    snapshot.subscriptions = {each.sid: each for each in (active, going)}

    matcher.load(snapshot)

    assert matched(matcher, SENT) == [active.sid]


def test_the_route_to_a_topic_can_be_asked_for(matcher: Matcher) -> None:
    one = subscription(1, SENT)
    matcher.apply(Change(None, one))

    found = matcher.route_to(f"es.sub.webhook.{one.sid}")

    assert found is not None
    assert found.subscription_sid == one.sid
    assert matcher.route_to("es.sub.webhook.DFother") is None
