"""The matcher: which subscriptions an event is for."""

import dataclasses
import sys
import threading

import pytest

from eventstreams.control.records import Account, SubscribedType, Subscription, SubscriptionState
from eventstreams.control.snapshot import Change, Snapshot
from router.planning.matcher import Matcher

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


def test_a_subscription_that_asked_for_longer_than_the_setting_is_now_gets_no_more_than_that(matcher: Matcher) -> None:
    """Its topic keeps its events for the setting and a day: Kafka would drop them before their deadline."""
    matcher.apply(Change(None, subscription(1, SENT, ttl_ms=3 * 86_400_000)))

    assert [route.ttl_ms for route in matcher.match(ACCOUNT.encode(), SENT.encode(), 100)] == [14_400_000]


def test_a_snapshot_is_loaded_whole(matcher: Matcher) -> None:
    snapshot = Snapshot()
    active, going = subscription(1, SENT), subscription(2, SENT, state=SubscriptionState.DELETING)
    snapshot.subscriptions = {each.sid: each for each in (active, going)}

    matcher.load(snapshot)

    assert matched(matcher, SENT) == [active.sid]


def test_the_topics_are_those_that_a_route_leads_to_now(matcher: Matcher) -> None:
    one, two, going = subscription(1, SENT, READ), subscription(2, SENT), subscription(3, READ)
    for each in (one, two, going):
        matcher.apply(Change(None, each))

    matcher.apply(Change(going, None))

    assert matcher.topics() == {f"es.sub.webhook.{each.sid}" for each in (one, two)}


def test_the_route_to_a_topic_can_be_asked_for(matcher: Matcher) -> None:
    one = subscription(1, SENT)
    matcher.apply(Change(None, one))

    found = matcher.route_to(f"es.sub.webhook.{one.sid}")

    assert found is not None
    assert found.subscription_sid == one.sid
    assert matcher.route_to("es.sub.webhook.DFother") is None


def test_a_type_that_stays_is_matched_at_every_moment_of_a_change(matcher: Matcher) -> None:
    """A lane asks on a thread of its own: an event that came in between would be lost."""
    versions = [subscription(1, SENT), subscription(1, READ, SENT, description="changed")]
    matcher.apply(Change(None, versions[0]))
    missed, done = [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            if not matched(matcher, SENT):
                missed.append("an event")

    asking = threading.Thread(target=ask)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asking.start()
        for number in range(5000):
            matcher.apply(Change(versions[number % 2], versions[(number + 1) % 2]))
    finally:
        done.set()
        asking.join()
        sys.setswitchinterval(interval)

    assert missed == []


def account(sid: str, *, owner: str | None = None) -> Account:
    return Account(sid=sid, friendly_name="", auth_token="", created_ms=1, updated_ms=1, owner_account_sid=owner)


def test_a_subscription_for_subaccounts_gets_their_events_and_its_own(matcher: Matcher) -> None:
    wide = subscription(1, SENT, receive_events_from_subaccounts=True)
    narrow, theirs = subscription(2, SENT), subscription(3, SENT, account=OTHER)
    for each in (account(ACCOUNT), account(OTHER, owner=ACCOUNT), wide, narrow, theirs):
        matcher.apply(Change(None, each))

    assert matched(matcher, SENT) == [wide.sid, narrow.sid]
    assert matched(matcher, SENT, account=OTHER) == [theirs.sid, wide.sid]
    assert matched(matcher, READ, account=OTHER) == []
    assert matched(matcher, SENT, account=OTHER, at=99) == []


def test_a_subaccount_that_leaves_and_a_subscription_that_is_changed_end_it(matcher: Matcher) -> None:
    child = account(OTHER, owner=ACCOUNT)
    wide = subscription(1, SENT, receive_events_from_subaccounts=True)
    matcher.apply(Change(None, wide))
    matcher.apply(Change(None, child))

    changed = dataclasses.replace(wide, types=subscription(1, READ).types)
    matcher.apply(Change(wide, changed))
    assert matched(matcher, SENT, account=OTHER) == []
    assert matched(matcher, READ, account=OTHER) == [wide.sid]
    matcher.apply(Change(child, None))
    assert matched(matcher, READ, account=OTHER) == []
    assert matched(matcher, READ) == [wide.sid]


def test_subaccounts_are_loaded_with_the_snapshot(matcher: Matcher) -> None:
    snapshot = Snapshot()
    wide = subscription(1, SENT, receive_events_from_subaccounts=True)
    snapshot.accounts = {OTHER: account(OTHER, owner=ACCOUNT)}
    snapshot.subscriptions = {wide.sid: wide}

    matcher.load(snapshot)

    [route] = matcher.match(OTHER.encode(), SENT.encode(), 100)
    assert (route.subscription_sid, route.family_of) == (wide.sid, ACCOUNT)


def test_a_discontinued_type_is_for_nobody_and_the_others_of_a_subscription_stay() -> None:
    matcher = Matcher(default_ttl_ms=1, topic_of=lambda _, sid: sid, discontinued={READ})
    one = subscription(1, SENT, READ)

    matcher.apply(Change(None, one))

    assert matched(matcher, READ) == []
    assert matched(matcher, SENT) == [one.sid]
