"""Every store of the delivery log: nothing lost, nothing doubled, bounded, and found again."""

from dataclasses import replace
from typing import Any

import pytest

from control_api.delivery_log.store import (
    EntryQuery,
    EventQuery,
    EventTally,
    LoggedEntry,
    Mark,
    SearchTooLongError,
    Span,
    Tally,
)
from tests.support.delivery_log import ATTEMPTS, DAY, DAY_MS, EVENTS, HERE, MIB, NewStore, Store, logged, make_event
from tests.support.entries import ACCOUNT, NOW_MS, OTHER_ACCOUNT, SINK, SUBSCRIPTION, make_entry


@pytest.fixture(params=["sqlite", "postgresql"])
def new(request: pytest.FixtureRequest) -> NewStore:
    made: NewStore = request.getfixturevalue(f"new_{request.param}")
    return made


@pytest.fixture
def store(new: NewStore) -> Store:
    store = new()
    store.writer.open(HERE)
    return store


def test_a_new_store_has_nothing_and_no_offsets(new: NewStore) -> None:
    store = new()

    assert store.writer.open(HERE) == {}
    assert store.found() == []
    assert store.reader.event([ACCOUNT], "EZ1") is None


def test_what_is_written_is_found_as_it_was(store: Store) -> None:
    delivered = logged(make_entry(), 0)
    died = logged(
        make_entry("died", event_id="EZ2", at_ms=NOW_MS + 1, sink_sid=None, duration_ms=None, accepted_ms=None), 1
    )
    retried = logged(
        make_entry("retry_later", event_id="EZ3", at_ms=NOW_MS + 2, next_at_ms=NOW_MS + 500),
        5,
        partition=3,
        position=77,
    )

    store.write(delivered, died, retried)

    assert store.found() == [retried, died, delivered]


def test_an_event_is_found_by_its_account_alone(store: Store) -> None:
    mine, others = make_event(), make_event(offset=1, account_sid=OTHER_ACCOUNT, accepted_ms=NOW_MS + 5)

    store.writer.write((mine, others), (), {EVENTS: 2}, now_ms=NOW_MS)

    assert store.reader.event([ACCOUNT], "EZ1") == mine
    assert store.reader.event([OTHER_ACCOUNT], "EZ1") == others
    assert store.reader.event(["AC" + "3" * 32], "EZ1") is None
    assert store.reader.event([], "EZ1") is None
    assert store.reader.event([ACCOUNT, OTHER_ACCOUNT, "AC" + "3" * 32], "EZ1") == others


def test_of_an_event_that_was_published_twice_the_later_one_is_found(store: Store) -> None:
    first, second = make_event(), make_event(offset=9, accepted_ms=NOW_MS + 5)

    store.writer.write((first, second), (), {}, now_ms=NOW_MS)

    assert store.reader.event([ACCOUNT], "EZ1") == second


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["EZ5", "EZ4", "EZ3", "EZ2", "EZ1"]),
        ({"event_id": "EZ2"}, ["EZ2"]),
        ({"subscription_sid": "DF" + "2" * 32}, ["EZ3"]),
        ({"sink_sid": "DG" + "2" * 32}, ["EZ4"]),
        ({"kind": "rejected"}, ["EZ5"]),
        ({"failed": True}, ["EZ5", "EZ4", "EZ2"]),
        ({"failed": True, "subscription_sid": SUBSCRIPTION}, ["EZ5", "EZ4", "EZ2"]),
        ({"failed": True, "sink_sid": SINK}, ["EZ5", "EZ2"]),
        ({"reason": "throttled"}, ["EZ2"]),
        ({"reason": "never_heard_of"}, []),
        ({"from_ms": NOW_MS + 2, "before_ms": NOW_MS + 4}, ["EZ4", "EZ3"]),
        ({"limit": 2}, ["EZ5", "EZ4"]),
        ({"limit": 2, "skip": 1}, ["EZ4", "EZ3"]),
        ({"mark": Mark(NOW_MS + 2, 0, 0, 2)}, ["EZ2", "EZ1"]),
        ({"mark": Mark(NOW_MS + 1, 0, 0, 1), "newer": True, "limit": 2}, ["EZ4", "EZ3"]),
        ({"account_sid": OTHER_ACCOUNT}, ["EZ6"]),
        ({"account_sid": OTHER_ACCOUNT, "event_id": "EZ1"}, []),
        ({"account_sid": "AC" + "3" * 32}, []),
    ],
)
def test_a_search_finds_what_it_asks_for_newest_first(store: Store, wanted: dict[str, object], ids: list[str]) -> None:
    entries = [
        make_entry(),
        make_entry("retry_later", event_id="EZ2", reason="throttled"),
        make_entry(event_id="EZ3", subscription_sid="DF" + "2" * 32),
        make_entry("died", event_id="EZ4", sink_sid="DG" + "2" * 32),
        make_entry("rejected", event_id="EZ5"),
        make_entry(event_id="EZ6", account_sid=OTHER_ACCOUNT),
    ]
    store.write(*(logged(each._replace(at_ms=NOW_MS + n), 0, position=n) for n, each in enumerate(entries)))

    assert store.ids(**wanted) == ids


def test_pages_over_many_segments_have_each_entry_once_both_ways(new: NewStore) -> None:
    store = new(max_bytes=8 * MIB)
    store.writer.open(HERE)
    count = 3000
    for first in range(0, count, 100):  # two partitions, one behind the other in time
        numbers = range(first, first + 100)
        store.write(
            *(
                logged(
                    make_entry(event_id=f"EZ{n}", at_ms=NOW_MS + (n // 7) - 40 * (n % 2), detail="x" * 300),
                    n,
                    partition=n % 2,
                )
                for n in numbers
            )
        )

    forwards: list[LoggedEntry] = []
    while page := store.found(limit=170, mark=forwards[-1].mark if forwards else None):
        forwards += page
    backwards: list[LoggedEntry] = []
    while page := store.found(limit=170, newer=True, mark=backwards[0].mark if backwards else Mark(0, 0, 0, 0)):
        backwards = [*page, *backwards]

    assert {each.entry.event_id for each in forwards} == {f"EZ{n}" for n in range(count)}
    assert forwards == backwards == sorted(forwards, key=lambda each: each.mark, reverse=True)


def test_after_a_restart_offsets_and_rows_are_where_they_were(new: NewStore) -> None:
    store = new()
    store.writer.open(HERE)
    store.write(logged(make_entry(), 41), next_offset=42)
    store.close()

    again = new()

    assert again.writer.open(HERE) == {ATTEMPTS: 42}
    again.write(logged(make_entry(event_id="EZ2", at_ms=NOW_MS + 1), 42), next_offset=43)
    assert again.ids() == ["EZ2", "EZ1"]


def test_a_record_that_is_read_twice_is_there_once(store: Store) -> None:
    for _ in range(2):
        store.writer.write((make_event(),), (logged(make_entry(), 41),), {ATTEMPTS: 42}, now_ms=NOW_MS)

    assert store.ids() == ["EZ1"]


def test_a_write_that_fails_changes_neither_rows_nor_offsets(new: NewStore) -> None:
    store = new()
    store.writer.open(HERE)
    store.write(logged(make_entry(), 0), next_offset=1)
    unheard_of = make_entry(event_id="EZ2", account_sid="AC" + "9" * 32, at_ms=NOW_MS + 1)

    with pytest.raises((OverflowError, TypeError)):
        store.write(logged(unheard_of, 1), logged(make_entry(duration_ms=2**70), 2), next_offset=3)

    assert store.ids() == ["EZ1"]
    assert store.writer.open(HERE) == {ATTEMPTS: 1}
    store.write(logged(unheard_of, 1), next_offset=2)
    assert store.ids(account_sid="AC" + "9" * 32) == ["EZ2"]


def test_what_is_older_than_the_retention_is_neither_answered_nor_kept(new: NewStore) -> None:
    store = new(retention=32 * DAY)
    store.writer.open(HERE)
    for day in range(40):
        at_ms = store.clock.now_ms
        event = make_event(f"EZ{day}", accepted_ms=at_ms, offset=day)
        store.writer.write((event,), (logged(make_entry(event_id=f"EZ{day}", at_ms=at_ms), day),), {}, now_ms=at_ms)
        store.clock.now_ms += DAY_MS

    assert store.ids() == [f"EZ{day}" for day in range(39, 7, -1)]
    assert store.reader.event([ACCOUNT], "EZ7") is None
    assert store.reader.event([ACCOUNT], "EZ8") is not None
    assert store.count_segments() <= 34


def test_what_is_too_old_already_is_not_taken_in(store: Store) -> None:
    old_ms = NOW_MS - 8 * DAY_MS

    store.writer.write(
        (make_event(accepted_ms=old_ms),), (logged(make_entry(at_ms=old_ms), 0),), {ATTEMPTS: 1}, now_ms=NOW_MS
    )

    store.clock.now_ms = old_ms
    assert store.ids() == []


def test_the_size_is_bounded_and_the_oldest_goes_first(new: NewStore) -> None:
    limit = 16 * MIB
    store = new(max_bytes=limit)
    store.writer.open(HERE)
    written = 0
    while written < 20_000:
        batch = [
            logged(make_entry("retry_later", event_id=f"EZ{n}", at_ms=NOW_MS + n, answer="a" * 850), n)
            for n in range(written, written + 200)
        ]
        store.write(*batch)
        written += len(batch)

    kept = [int(id_[2:]) for id_ in store.ids(limit=20_000)]
    assert kept == list(range(19_999, 19_999 - len(kept), -1))
    assert 5000 < len(kept) < 18_000
    assert store.writer.held_bytes <= limit * 1.1
    assert store.count_bytes() <= limit * 1.2


def test_built_from_one_topic_after_the_other_it_keeps_the_newest_of_both(new: NewStore) -> None:
    store = new(max_bytes=8 * MIB)
    store.writer.open(HERE)
    count, step = 30_000, 500
    for first in range(0, count, step):
        events = [make_event(f"EZ{n:0100}", accepted_ms=NOW_MS + n, offset=n) for n in range(first, first + step)]
        store.writer.write(events, (), {}, now_ms=NOW_MS)
    for first in range(0, count, step):
        store.write(
            *(logged(make_entry(event_id=f"EZ{n:0100}", at_ms=NOW_MS + n), n) for n in range(first, first + step))
        )

    oldest = int(store.ids(limit=count)[-1][2:])
    assert store.reader.event([ACCOUNT], f"EZ{count - 1:0100}") is not None
    assert store.reader.event([ACCOUNT], f"EZ{oldest + 2000:0100}") is not None
    assert oldest > count // 3


def test_the_log_of_another_kafka_is_replaced(new: NewStore) -> None:
    store = new()
    store.writer.open(HERE)
    store.write(logged(make_entry(), 0), next_offset=1)
    store.close()

    again = new()

    assert again.writer.open("another/es.") == {}
    assert again.ids() == []


def test_a_search_that_takes_too_long_is_given_up(store: Store) -> None:
    store.write(*(logged(make_entry(event_id=f"EZ{n}"), n) for n in range(30_000)))

    with pytest.raises(SearchTooLongError):
        store.hasty.entries(EntryQuery(account_sid=ACCOUNT, sink_sid=SINK, skip=29_000, limit=1))


def test_a_character_that_sql_may_not_hold_is_no_obstacle(store: Store) -> None:
    store.writer.write(
        (make_event("EZ\0"),),
        (logged(make_entry("rejected", event_id="EZ\0", answer="a\0b\\u0000"), 0),),
        {},
        now_ms=NOW_MS,
    )

    [found] = store.found(event_id="EZ\0")
    assert found.entry.answer in {"a\0b\\u0000", "a\N{REPLACEMENT CHARACTER}b\\u0000"}
    assert store.reader.event([ACCOUNT], "EZ\0") is not None


def test_names_of_any_length_are_no_obstacle(store: Store) -> None:
    long = "EZ" + "\N{SNOWMAN}" * 5000
    entries = [make_entry(event_id=long), make_entry(account_sid=long, subscription_sid=long, sink_sid=long)]

    store.write(*(logged(each, n) for n, each in enumerate(entries)), next_offset=2)

    assert store.ids(event_id=long) == [long]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["EZ4", "EZ3", "EZ2", "EZ1"]),
        ({"type": "com.acme.message.sent"}, ["EZ4", "EZ2", "EZ1"]),
        ({"type": "com.acme.never"}, []),
        ({"from_ms": NOW_MS + 1, "before_ms": NOW_MS + 3}, ["EZ3", "EZ2"]),
        ({"limit": 2, "skip": 1}, ["EZ3", "EZ2"]),
        ({"mark": Mark(NOW_MS + 2, 0, 2, 0)}, ["EZ2", "EZ1"]),
        ({"mark": Mark(NOW_MS, 0, 0, 0), "newer": True, "limit": 2}, ["EZ3", "EZ2"]),
        ({"account_sid": OTHER_ACCOUNT}, ["EZ5"]),
        ({"account_sid": "AC" + "3" * 32}, []),
    ],
)
def test_accepted_events_are_found_newest_first(store: Store, wanted: dict[str, Any], ids: list[str]) -> None:
    events = [
        make_event("EZ1"),
        make_event("EZ2", accepted_ms=NOW_MS + 1, offset=1),
        make_event("EZ3", accepted_ms=NOW_MS + 2, offset=2)._replace(type="com.acme.other"),
        make_event("EZ4", accepted_ms=NOW_MS + 3, offset=3),
        make_event("EZ5", accepted_ms=NOW_MS + 4, offset=4, account_sid=OTHER_ACCOUNT),
    ]
    store.writer.write(events, (), {}, now_ms=NOW_MS)

    found = store.reader.events(EventQuery(**{"account_sid": ACCOUNT, "limit": 10, **wanted}))

    assert [each.id for each in found] == ids
    assert all(each in events for each in found)


def test_of_many_events_the_last_of_each_subscription_is_found(new: NewStore) -> None:
    store = new(max_bytes=8 * MIB)
    store.writer.open(HERE)
    other = "DF" + "9" * 32
    entries = [
        make_entry("retry_later", event_id="EZ1", at_ms=NOW_MS),
        make_entry(event_id="EZ1", at_ms=NOW_MS + 1, subscription_sid=other),
        make_entry("rejected", event_id="EZ2\0", at_ms=NOW_MS + 2),
        make_entry(event_id="EZ3", at_ms=NOW_MS + 3, account_sid=OTHER_ACCOUNT),
        *(make_entry(event_id=f"EZ-{n}", at_ms=NOW_MS + n, detail="x" * 300) for n in range(10, 3000)),
        make_entry(event_id="EZ1", at_ms=NOW_MS + 5000),
    ]
    for first in range(0, len(entries), 100):
        written = [logged(each, first + n) for n, each in enumerate(entries[first : first + 100])]
        store.writer.write((), written, {}, now_ms=NOW_MS)
    assert store.count_segments() > 1

    found = store.reader.last_kinds(ACCOUNT, ["EZ1", "EZ2\0", "EZ3", "EZ4"], NOW_MS)
    later = store.reader.last_kinds(ACCOUNT, ["EZ1", "EZ2\0"], NOW_MS + 3)

    assert sorted((each.event_id[:3], each.subscription_sid, each.kind, each.at_ms) for each in found) == [
        ("EZ1", SUBSCRIPTION, "delivered", NOW_MS + 5000),
        ("EZ1", other, "delivered", NOW_MS + 1),
        ("EZ2", SUBSCRIPTION, "rejected", NOW_MS + 2),
    ]
    assert [each.kind for each in later] == ["delivered"]
    assert store.reader.last_kinds(ACCOUNT, [], NOW_MS) == []
    assert store.reader.last_kinds("AC" + "3" * 32, ["EZ1"], NOW_MS) == []


def test_what_is_alike_is_counted(store: Store) -> None:
    entries = [
        make_entry(at_ms=NOW_MS),
        make_entry(at_ms=NOW_MS + 1, event_id="EZ2"),
        make_entry("retry_later", at_ms=NOW_MS + 2, event_id="EZ3", sink_sid=None),
        make_entry(at_ms=NOW_MS + 3, event_id="EZ4", account_sid=OTHER_ACCOUNT),
        make_entry(at_ms=NOW_MS - 1, event_id="EZ5"),
        make_entry(at_ms=NOW_MS + 10, event_id="EZ6"),
    ]
    events = [make_event(f"EZ{n}", accepted_ms=each.at_ms, offset=n) for n, each in enumerate(entries)]
    events[2] = events[2]._replace(type="com.acme.other")
    store.writer.write(events, [logged(each, n) for n, each in enumerate(entries)], {}, now_ms=NOW_MS)
    span = Span(account_sid=ACCOUNT, from_ms=NOW_MS, before_ms=NOW_MS + 10, most=100)

    assert set(store.reader.tally(span)) == {
        Tally(SUBSCRIPTION, SINK, "com.acme.message.sent", "delivered", 2, NOW_MS),
        Tally(SUBSCRIPTION, None, "com.acme.message.sent", "retry_later", 1, NOW_MS + 2),
    }
    assert sorted(store.reader.tally_events(span)) == [
        EventTally("com.acme.message.sent", 3, NOW_MS),
        EventTally("com.acme.other", 1, NOW_MS + 2),
    ]
    assert store.reader.tally(replace(span, account_sid="AC" + "3" * 32)) == []


def test_no_more_is_counted_than_is_asked_for_and_those_are_the_newest(new: NewStore) -> None:
    store = new(max_bytes=8 * MIB)
    store.writer.open(HERE)
    count = 3000
    for first in range(0, count, 100):
        numbers = range(first, first + 100)
        entries = [make_entry(event_id=f"EZ{n}", at_ms=NOW_MS + n, detail="x" * 300) for n in numbers]
        store.writer.write(
            [make_event(f"EZ{n}", accepted_ms=NOW_MS + n, offset=n) for n in numbers],
            [logged(each, n) for n, each in zip(numbers, entries, strict=True)],
            {},
            now_ms=NOW_MS,
        )
    assert store.count_segments() > 1
    span = Span(account_sid=ACCOUNT, from_ms=NOW_MS, before_ms=NOW_MS + count, most=2500)

    [tally], [events] = store.reader.tally(span), store.reader.tally_events(span)

    assert (tally.number, tally.oldest_ms) == (2500, NOW_MS + 500)
    assert (events.number, events.oldest_ms) == (2500, NOW_MS + 500)
