"""When an event is tried again, and where it waits."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.retry import HOLD_MS, RetryWheel, next_attempt_ms

DELAYS = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800))
HOUR_MS = 3_600_000

times = st.integers(0, 4 * HOUR_MS)
fractions = st.floats(0, 1, exclude_max=True)


@given(attempt=st.integers(1, 60), now=times, deadline=times, not_before=st.none() | times, fraction=fractions)
def test_the_next_attempt_is_after_now_and_never_past_the_deadline(
    attempt: int, now: int, deadline: int, not_before: int | None, fraction: float
) -> None:
    at = next_attempt_ms(
        DELAYS, attempt=attempt, now_ms=now, deadline_ms=deadline, not_before_ms=not_before, random=lambda: fraction
    )

    assert at <= deadline
    assert at >= min(now, deadline)
    if not_before is not None:
        assert at >= min(not_before, deadline)


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 5), (2, 30), (5, 1800), (6, 1800), (99, 1800)])
def test_the_longest_wait_grows_with_the_attempts_and_then_stays(attempt: int, longest_s: int) -> None:
    at = next_attempt_ms(
        DELAYS, attempt=attempt, now_ms=0, deadline_ms=4 * HOUR_MS, not_before_ms=None, random=lambda: 0.0
    )

    assert at == longest_s * 1000


def test_the_wait_is_spread_over_the_whole_delay() -> None:
    waits = [
        next_attempt_ms(
            DELAYS, attempt=2, now_ms=0, deadline_ms=HOUR_MS, not_before_ms=None, random=iter([n / 100]).__next__
        )
        for n in range(100)
    ]

    assert min(waits) < 500
    assert max(waits) == 30_000


def test_near_the_deadline_the_wait_is_drawn_from_what_is_left() -> None:
    at = next_attempt_ms(
        DELAYS, attempt=5, now_ms=HOUR_MS - 1000, deadline_ms=HOUR_MS, not_before_ms=None, random=lambda: 0.5
    )

    assert at == HOUR_MS - 500


@given(wait=st.integers(0, 2_000_000), partitions=st.integers(1, 24))
def test_a_record_waits_in_the_longest_slot_that_is_not_longer(wait: int, partitions: int) -> None:
    wheel = RetryWheel(DELAYS, partitions=partitions)
    waits = [wheel.wait_ms(delay, number) for delay in DELAYS for number in range(partitions)]

    slot = wheel.slot(wait)

    assert slot.wait_ms == max((w for w in waits if w <= wait), default=min(waits))
    assert slot.wait_ms == wheel.wait_ms(slot.delay, slot.partition)


@given(wait=st.integers(0, 1_800_000))
def test_any_time_is_met_to_within_the_hold_after_a_few_moves(wait: int) -> None:
    wheel = RetryWheel(DELAYS, partitions=12)
    now, moves = 0, 0

    while wait - now > HOLD_MS:
        now += wheel.slot(wait - now).wait_ms
        moves += 1

    assert now - wait <= HOLD_MS  # late by no more than the shortest slot
    assert moves <= 6


@given(wait=st.integers(0, 4 * HOUR_MS), partitions=st.integers(1, 12), data=st.data())
def test_where_a_record_rests_is_what_its_moves_lead_to(wait: int, partitions: int, data: st.DataObject) -> None:
    wheel = RetryWheel(DELAYS, partitions=partitions)
    now = data.draw(st.integers(0, wait))
    put, slot = 0, wheel.slot(wait)
    while (looked_at := put + slot.wait_ms) <= now and wait > looked_at + HOLD_MS:  # as the worker moves it
        put, slot = looked_at, wheel.slot(wait - looked_at)

    assert wheel.resting_slot(put_ms=0, not_before_ms=wait, now_ms=now) == slot
    assert put <= now
