"""What a sink's health is, and the words for it; and the schedule of an event whose attempts all fail."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.sinks.health import Backlog, History, in_words, judge
from control_api.subscriptions.retry_schedule import schedule
from eventstreams.attempts import Entry
from eventstreams.client.values import SinkHealth
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.retry import next_attempt_ms
from tests.support.entries import ACCOUNT, SINK, SUBSCRIPTION, make_entry

DELAYS = [timedelta(seconds=each) for each in (5, 30, 120, 600, 1800)]
FOUR_HOURS = 14_400_000
WAITING = Backlog(
    Subscription(
        sid=SUBSCRIPTION,
        account_sid=ACCOUNT,
        sink_sid=SINK,
        sink_type="webhook",
        description="",
        types=(SubscribedType(type="com.acme.sent", schema_version=1),),
        created_ms=1,
        updated_ms=1,
    ),
    events=340,
    oldest_ms=1_774_756_862_345,
)


def history(*kinds: str) -> History:
    """With attempts of those outcomes, newest first."""
    attempts = [make_entry(kind) for kind in kinds]
    return History(attempts, _first(attempts, "delivered"), _first(attempts, "retry_later"))


def _first(attempts: Sequence[Entry], kind: str) -> Entry | None:
    return next((each for each in attempts if each.kind == kind), None)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], SinkHealth.SILENT),
        (["delivered", "retry_later"], SinkHealth.WORKING),
        (["rejected", "retry_later"], SinkHealth.WORKING),
        (["retry_later", "delivered"], SinkHealth.FAILING),
        (["retry_later"] * 9, SinkHealth.FAILING),
        (["retry_later"] * 10, SinkHealth.BROKEN),
    ],
)
def test_health_is_what_the_newest_attempts_say(kinds: list[str], expected: SinkHealth) -> None:
    assert judge(history(*kinds), paused=False) is expected
    assert judge(history(*kinds), paused=True) is SinkHealth.PAUSED


def test_the_words_say_since_when_why_and_what_waits() -> None:
    failing = history("retry_later", "retry_later", "delivered")

    words = in_words(SinkHealth.FAILING, failing, [WAITING])

    assert words.startswith(f"The last 2 attempts failed: {failing.failures[0].reason}")
    assert "340 events are waiting for their first attempt, the oldest accepted at 2026-03-29T04:01:02.345Z." in words
    assert in_words(SinkHealth.WORKING, failing, []) == "It accepts events. Nothing is waiting for a first attempt."
    assert "growing intervals" in in_words(SinkHealth.BROKEN, failing, [])
    assert "paused" in in_words(SinkHealth.PAUSED, failing, [])
    assert "knows of no attempts" in in_words(SinkHealth.SILENT, history(), [])


def test_a_sink_that_refuses_its_events_is_not_said_to_take_them() -> None:
    refusing = History([make_entry("rejected", detail="HTTP 400"), make_entry("delivered")], None, None)
    once = History([make_entry("rejected", detail=None)], None, None)
    recovered = history("delivered", "retry_later", "rejected")

    assert in_words(SinkHealth.WORKING, refusing, []).startswith(
        "It answers, but permanently refused 1 of the last 2 events (HTTP 400): see the dead letters."
    )
    assert "permanently refused the last event: see" in in_words(SinkHealth.WORKING, once, [])
    assert in_words(SinkHealth.WORKING, recovered, []).startswith("It accepts events.")


def test_one_event_that_waits_is_not_several() -> None:
    words = in_words(SinkHealth.SILENT, history(), [replace(WAITING, events=1)])

    assert "1 event is waiting for its first attempt, the oldest" in words


def test_the_schedule_of_the_default_delays_fills_the_four_hours() -> None:
    planned = schedule(DELAYS, ttl_ms=FOUR_HOURS)

    assert [each.expected_ms for each in planned[:6]] == [0, 2_500, 17_500, 77_500, 377_500, 1_277_500]
    assert [each.latest_ms for each in planned[:4]] == [0, 5_000, 35_000, 155_000]
    assert 15 < len(planned) < 25
    assert planned[-1].expected_ms < FOUR_HOURS
    assert planned[-1].latest_ms == FOUR_HOURS


def test_the_schedule_of_many_short_delays_is_cut() -> None:
    assert len(schedule([timedelta(milliseconds=1)], ttl_ms=FOUR_HOURS)) == 100


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8))
def test_no_attempt_is_later_than_the_schedule_says(draws: list[float]) -> None:
    planned, at_ms = schedule(DELAYS, ttl_ms=FOUR_HOURS), 0

    for each, draw in zip(planned[1:], draws, strict=False):
        at_ms = next_attempt_ms(
            DELAYS,
            attempt=each.attempt - 1,
            now_ms=at_ms,
            deadline_ms=FOUR_HOURS,
            not_before_ms=None,
            random=lambda draw=draw: draw,  # type: ignore[misc]  # bound now
        )
        assert at_ms <= each.latest_ms + 1
