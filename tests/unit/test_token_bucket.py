"""The token bucket: never more than its rate, over any span, plus a second's worth."""

from hypothesis import given
from hypothesis import strategies as st

from sink_workers.gates.token_bucket import TokenBucket


def test_without_a_rate_everything_goes() -> None:
    bucket = TokenBucket(0)

    assert all(bucket.take(1000, None, 0) for _ in range(1000))


def test_an_idle_bucket_gives_a_second_s_worth_and_then_its_rate() -> None:
    bucket = TokenBucket(0)

    assert sum(bucket.take(1, 10.0, 0) for _ in range(100)) == 10
    assert sum(bucket.take(1, 10.0, 500) for _ in range(100)) == 5
    assert bucket.wait_ms(1, 10.0, 500) == 101
    assert bucket.take(1, 10.0, 601)


def test_a_rate_below_one_a_second_lets_one_pass_at_a_time() -> None:
    bucket = TokenBucket(0)

    assert bucket.take(1, 0.1, 0)
    assert not bucket.take(1, 0.1, 9_999)
    assert bucket.take(1, 0.1, 10_000)


def test_a_batch_above_the_bucket_goes_when_it_is_full_and_is_paid_for_afterwards() -> None:
    bucket = TokenBucket(0)

    assert bucket.take(100, 10.0, 0)
    assert not bucket.take(1, 10.0, 9_000)
    assert bucket.take(1, 10.0, 9_100)


def test_debt_lets_a_few_go_ahead_of_the_others() -> None:
    bucket = TokenBucket(0)
    assert bucket.take(10, 10.0, 0)

    assert not bucket.take(1, 10.0, 0)
    assert bucket.take(1, 10.0, 0, debt=1.0)
    assert not bucket.take(1, 10.0, 0, debt=1.0)


@given(
    st.floats(0.1, 1000),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 20)), min_size=1, max_size=200),
)
def test_no_span_gets_more_than_its_rate_and_a_bucket(rate: float, asked: list[tuple[int, int]]) -> None:
    bucket, now_ms = TokenBucket(0), 0
    taken: list[tuple[int, int]] = []
    for pause_ms, events in asked:
        now_ms += pause_ms
        if bucket.take(events, rate, now_ms):
            taken.append((now_ms, events))

    size = max(rate, 1.0)
    for index, (began_ms, _) in enumerate(taken):
        events = sum(count for _, count in taken[index:])
        largest = max(count for _, count in taken[index:])
        assert events <= size + rate * (taken[-1][0] - began_ms) / 1000 + largest + 1e-6


@given(st.floats(0.1, 1000), st.integers(1, 50), st.integers(0, 5000))
def test_after_the_wait_it_says_yes(rate: float, events: int, idle_ms: int) -> None:
    bucket = TokenBucket(0)
    assert bucket.take(events, rate, idle_ms)

    wait_ms = bucket.wait_ms(events, rate, idle_ms)

    assert bucket.take(events, rate, idle_ms + wait_ms)
