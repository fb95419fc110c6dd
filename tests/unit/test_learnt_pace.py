"""How fast a stream is written to, by what it throttles."""

from collections import deque

import pytest

from sink_workers.plugins.learnt_pace import Pace

BATCH, AT_ONCE, ANSWER_S = 500, 8, 0.05
LEAST = 1000.0


def put(pace: Pace, records: int, throttled: int, *, at_s: float) -> None:
    pace.learn(records=records, throttled=throttled, began_s=at_s, now_s=at_s)


def rate_of(pace: Pace, *, now_s: float) -> float:
    """Records a second; infinite without a limit."""
    now_s += pace.wait_s(now_s=now_s)
    pace.begin(BATCH, now_s=now_s)
    wait_s = pace.wait_s(now_s=now_s)
    return BATCH / wait_s if wait_s else float("inf")


def test_what_takes_all_is_never_waited_for() -> None:
    pace = Pace(least=LEAST)
    for at_s in range(100):
        assert pace.wait_s(now_s=at_s) == 0
        put(pace, BATCH, 0, at_s=at_s)


def test_one_in_ten_throttled_slows_nothing() -> None:
    pace = Pace(least=LEAST)
    for at_s in range(100):
        put(pace, BATCH, BATCH // 10, at_s=at_s)

    assert rate_of(pace, now_s=100.0) == float("inf")


def test_where_much_is_throttled_as_many_are_put_as_were_taken() -> None:
    pace = Pace(least=LEAST)
    for each in range(8):
        put(pace, BATCH, 0, at_s=each / 100)
    put(pace, BATCH, BATCH, at_s=0.09)
    assert rate_of(pace, now_s=0.1) == float("inf")  # a ninth

    put(pace, BATCH, BATCH, at_s=0.1)

    assert pace.wait_s(now_s=0.2) == pytest.approx(0.9)  # what that second takes it has taken
    assert rate_of(pace, now_s=1.2) == pytest.approx(4000)


def test_a_few_that_are_throttled_slow_nothing() -> None:
    pace = Pace(least=LEAST)
    put(pace, BATCH, BATCH, at_s=0.0)

    assert rate_of(pace, now_s=0.1) == float("inf")


def test_it_is_never_slower_than_a_shard() -> None:
    pace = Pace(least=LEAST)
    for at_s in range(20):
        put(pace, 2 * BATCH, 2 * BATCH, at_s=at_s)

    assert rate_of(pace, now_s=20.0) == pytest.approx(LEAST)


def test_what_was_under_way_as_it_slowed_down_slows_it_no_more() -> None:
    pace = Pace(least=LEAST)
    for each in range(6):
        put(pace, BATCH, 0, at_s=each / 100)
    put(pace, BATCH, BATCH, at_s=0.06)
    put(pace, BATCH, BATCH, at_s=0.07)
    before = rate_of(pace, now_s=0.08)

    for at_s in (1.1, 1.2, 1.3):
        pace.learn(records=BATCH, throttled=BATCH, began_s=0.05, now_s=at_s)

    assert rate_of(pace, now_s=1.4) == pytest.approx(before)


def test_it_grows_again_until_there_is_no_limit() -> None:
    pace = Pace(least=LEAST)
    put(pace, 2 * BATCH, 2 * BATCH, at_s=0.0)

    rates = [rate_of(pace, now_s=at_s) for at_s in (1.0, 3.0, 5.0, 60.0)]

    assert rates == [pytest.approx(1000), pytest.approx(1000), pytest.approx(1000 * 1.1**2, rel=0.1), float("inf")]


@pytest.mark.parametrize("shards", [1, 4, 10])
def test_a_stream_with_more_waiting_than_it_takes_gets_little_in_vain(shards: int) -> None:
    """Eight requests side by side, each answered after 50 ms; what comes too much in a second comes again."""
    pace, now_s, waiting, put_so_far, taken = Pace(least=LEAST), 0.0, 30_000 * shards, 0, 0
    under_way: deque[float] = deque()
    room, second = 0, -1
    while taken < waiting:
        if len(under_way) < AT_ONCE and (not under_way or now_s + pace.wait_s(now_s=now_s) < under_way[0] + ANSWER_S):
            now_s += pace.wait_s(now_s=now_s)
            pace.begin(BATCH, now_s=now_s)
            under_way.append(now_s)
            continue
        began_s = under_way.popleft()
        now_s = began_s + ANSWER_S
        if int(began_s) > second:
            room, second = 1000 * shards, int(began_s)
        fitting = min(room, BATCH)
        room, taken, put_so_far = room - fitting, taken + fitting, put_so_far + BATCH
        pace.learn(records=BATCH, throttled=BATCH - fitting, began_s=began_s, now_s=now_s)

    assert put_so_far / taken < 1.25
    assert now_s < 30 * 1.3  # thirty seconds at full speed


def test_hours_after_it_was_throttled_it_is_as_free_as_ever() -> None:
    pace = Pace(least=LEAST)
    for _ in range(2):
        put(pace, 500, 500, at_s=0.0)
    assert rate_of(pace, now_s=1.0) == LEAST

    assert rate_of(pace, now_s=86_400.0) == float("inf")
