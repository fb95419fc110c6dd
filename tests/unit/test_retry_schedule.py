"""The retry schedule and the wheel together: for any failures, each attempt is due when it was promised."""

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from eventstreams.headers import NOT_BEFORE
from eventstreams.kafka.records import Record
from eventstreams.retry import HOLD_MS, RetryWheel, next_attempt_ms
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from tests.support.partition_model import retry_handler

fractions = st.floats(0, 1, exclude_max=True)
delay_lists = st.lists(st.integers(1, 3_600_000), min_size=1, max_size=6, unique=True).map(
    lambda found: tuple(timedelta(milliseconds=each) for each in sorted(found))
)


@dataclass(frozen=True)
class Failure:
    """One attempt: how long it took, the jitter drawn after it, and what the sink asked for, in ms from then."""

    took_ms: int
    fraction: float
    asked_ms: int | None


failures = st.builds(Failure, st.integers(0, 10_000), fractions, st.none() | st.integers(-5_000, 8_000_000))


def installation(delays: tuple[timedelta, ...], partitions: int) -> Settings:
    return Settings.load(retry_delays=delays, retry_partitions=partitions)


@settings(deadline=None)
@given(
    delays=delay_lists,
    before=st.integers(1, 12),
    after=st.integers(1, 12),
    waits=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000_000)), min_size=1, max_size=60),
)
def test_no_record_that_other_settings_have_put_on_the_wheel_is_looked_at_after_its_time(
    delays: tuple[timedelta, ...], before: int, after: int, waits: list[tuple[int, int]]
) -> None:
    earlier, topics = RetryWheel(delays, partitions=before), Topics(installation(delays, before))
    handler = retry_handler(installation(delays, after))
    now_ms = 0
    for gap_ms, wait_ms in waits:
        now_ms += gap_ms
        slot = earlier.slot(wait_ms)
        headers = [(NOT_BEFORE, b"%d" % (now_ms + wait_ms))]
        record = Record(topics.retry("webhook", slot.delay), slot.partition, 0, None, b"", headers, now_ms)

        assert handler.ready_at_ms(record) <= now_ms + wait_ms
        if slot.partition >= after:  # nobody is held up by what would have waited for hours
            assert handler.ready_at_ms(record) <= now_ms + HOLD_MS


def walk(conf: Settings, *, now_ms: int, not_before_ms: int) -> int:
    """When a record that waits from ``now_ms`` is attempted, if nothing else is in its way: slot by slot."""
    handler = retry_handler(conf)
    wheel = RetryWheel(conf.retry_delays, partitions=conf.retry_partitions)
    topics = Topics(conf)
    while True:
        slot = wheel.slot(not_before_ms - now_ms)
        headers = [(NOT_BEFORE, b"%d" % not_before_ms)]
        record = Record(topics.retry("webhook", slot.delay), slot.partition, 0, None, b"", headers, now_ms)
        now_ms = handler.ready_at_ms(record)
        if now_ms >= not_before_ms:
            return now_ms


@settings(deadline=None)
@given(
    delays=delay_lists,
    partitions=st.integers(1, 12),
    ttl=st.integers(1, 14_400_000),
    tries=st.lists(failures, max_size=40),
)
def test_attempts_keep_to_their_times_for_any_failures_and_end_with_the_deadline(
    delays: tuple[timedelta, ...], partitions: int, ttl: int, tries: list[Failure]
) -> None:
    conf = installation(delays, partitions)
    shortest_ms = RetryWheel(delays, partitions=partitions).slot(0).wait_ms
    now_ms, deadline_ms = 0, ttl

    for number, failure in enumerate(tries, start=1):
        failed_ms = now_ms + failure.took_ms
        asked_ms = None if failure.asked_ms is None else max(failed_ms + failure.asked_ms, 0)
        at_ms = next_attempt_ms(
            delays,
            attempt=number,
            now_ms=failed_ms,
            deadline_ms=deadline_ms,
            not_before_ms=asked_ms,
            random=lambda fraction=failure.fraction: fraction,  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        )
        longest_ms = delays[min(number, len(delays)) - 1] // timedelta(milliseconds=1)

        assert at_ms <= deadline_ms
        assert at_ms <= max(failed_ms + longest_ms, asked_ms or 0)
        assert at_ms >= min(asked_ms or 0, deadline_ms)
        now_ms = walk(conf, now_ms=failed_ms, not_before_ms=at_ms)
        assert now_ms <= max(at_ms, failed_ms) + max(shortest_ms, 1)
        if now_ms >= deadline_ms:
            return  # it expires now: late by no more than the shortest slot


@given(wait=st.integers(0, 14_400_000))
def test_with_the_default_delays_any_time_is_met_to_within_half_a_second(wait: int) -> None:
    conf = Settings.load()

    late_ms = walk(conf, now_ms=1000, not_before_ms=1000 + wait) - wait - 1000

    assert 0 <= late_ms <= HOLD_MS


@settings(deadline=None)
@given(
    delays=delay_lists,
    partitions=st.integers(1, 6),
    waits=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000_000)), min_size=1, max_size=60),
)
def test_no_record_of_the_wheel_is_held_up_by_one_before_it_for_longer_than_the_hold(
    delays: tuple[timedelta, ...], partitions: int, waits: list[tuple[int, int]]
) -> None:
    conf = installation(delays, partitions)
    wheel, topics, handler = RetryWheel(delays, partitions=partitions), Topics(conf), retry_handler(conf)
    logs: dict[tuple[str, int], list[Record]] = {}
    now_ms = 0
    for gap_ms, wait_ms in waits:
        now_ms += gap_ms
        slot = wheel.slot(wait_ms)
        topic, headers = topics.retry("webhook", slot.delay), [(NOT_BEFORE, b"%d" % (now_ms + wait_ms))]
        log = logs.setdefault((topic, slot.partition), [])
        log.append(Record(topic, slot.partition, len(log), None, b"", headers, now_ms))

    for log in logs.values():
        taken_ms = 0
        for record in log:  # a lane looks at its head alone
            ready_ms = handler.ready_at_ms(record)
            taken_ms = max(taken_ms, ready_ms)
            # One that is due before its slot comes round is in the shortest there is: it may wait for that as well.
            slot_ms = record.timestamp_ms + wheel.wait_ms(topics.retries("webhook")[record.topic], record.partition)
            assert taken_ms - max(ready_ms, slot_ms) <= HOLD_MS
