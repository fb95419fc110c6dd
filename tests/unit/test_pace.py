"""How fast a sink is delivered to: what its answers change, and what they never do."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from sink_workers.gates.pace import AdaptivePace, Pace, ReferencePace, Signal, signal_of

CEILING = 64


class Sink:
    """Reports one attempt after the other to a pace."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.now = 1_000

    def limit(self) -> int:
        return self.pace.limit(self.now, CEILING)

    def report(self, signal: Signal, *, times: int = 1, wait_ms: int = 0, full: bool = True, took_ms: int = 1) -> None:
        for _ in range(times):
            began, self.now = self.now, self.now + took_ms
            self.pace.report(signal, began_ms=began, now_ms=self.now, wait_ms=wait_ms, full=full)


@pytest.fixture
def sink() -> Sink:
    return Sink(AdaptivePace(lambda: 0.0))


# -- what an attempt says --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "signal"),
    [
        pytest.param([Delivered()], Signal.TOOK, id="taken"),
        pytest.param([Rejected(DeadReason.REFUSED)], Signal.TOOK, id="refused: it works, and wants others"),
        pytest.param([RetryLater(RetryReason.SERVER_ERROR, status=500)], Signal.FAILED, id="broken"),
        pytest.param([RetryLater(RetryReason.BAD_ANSWER, status=422)] * 2, Signal.TOOK, id="a batch refused"),
        pytest.param([RetryLater(RetryReason.TIMED_OUT)], Signal.FAILED, id="no answer"),
        pytest.param([RetryLater(RetryReason.SERVER_ERROR), Delivered()], Signal.TOOK, id="taken in part"),
        pytest.param([RetryLater(RetryReason.THROTTLED), Delivered()], Signal.TOOK_SOME, id="throttled in part"),
        pytest.param(
            [RetryLater(RetryReason.THROTTLED, not_before=datetime.now(UTC))], Signal.SLOW_DOWN, id="throttled"
        ),
    ],
)
def test_the_outcomes_of_an_attempt_say_one_thing_of_the_sink(outcomes: list[DeliveryOutcome], signal: Signal) -> None:
    assert signal_of(outcomes) is signal


# -- adaptive --------------------------------------------------------------------------------------------------


def test_concurrency_grows_to_the_ceiling_while_the_sink_takes_all_that_it_gets(sink: Sink) -> None:
    sink.report(Signal.TOOK, times=CEILING)

    assert sink.limit() == CEILING


def test_concurrency_does_not_grow_beyond_what_is_used(sink: Sink) -> None:
    before = sink.limit()

    sink.report(Signal.TOOK, times=1000, full=False)

    assert sink.limit() == before


def test_a_429_halves_it_once_for_all_attempts_that_were_under_way_together(sink: Sink) -> None:
    sink.report(Signal.TOOK, times=CEILING)
    before, began = sink.limit(), sink.now

    for _ in range(5):
        sink.pace.report(Signal.SLOW_DOWN, began_ms=began, now_ms=began + 10, wait_ms=0, full=True)

    assert sink.pace.limit(began + 10, CEILING) == before // 2


def test_after_a_cut_it_grows_by_one_a_round(sink: Sink) -> None:
    sink.report(Signal.TOOK, times=24)
    sink.report(Signal.SLOW_DOWN)
    before = sink.limit()

    sink.report(Signal.TOOK, times=before)

    assert sink.limit() == before
    sink.report(Signal.TOOK, times=2)
    assert sink.limit() == before + 1


def test_one_failure_in_twenty_does_not_slow_the_sink(sink: Sink) -> None:
    sink.report(Signal.TOOK, times=CEILING)

    for _ in range(200):
        sink.report(Signal.TOOK, times=19)
        sink.report(Signal.FAILED)

    assert sink.limit() == CEILING


def test_a_sink_that_fails_every_second_time_is_slowed_but_not_left_alone(sink: Sink) -> None:
    for _ in range(100):
        sink.report(Signal.TOOK)
        sink.report(Signal.FAILED)

    assert sink.limit() == 1
    assert not sink.pace.is_broken()


def test_a_sink_that_takes_a_part_of_each_batch_is_slowed_but_not_left_alone(sink: Sink) -> None:
    for _ in range(100):
        sink.report(Signal.TOOK_SOME)
        sink.now += 10

    assert sink.limit() == 1
    assert not sink.pace.is_broken()


def test_a_retry_after_closes_it_for_so_long_and_no_longer(sink: Sink) -> None:
    sink.report(Signal.SLOW_DOWN, wait_ms=3_000)

    assert sink.limit() == 0
    sink.now += 2_999
    assert sink.limit() == 0
    sink.now += 1
    assert sink.limit() > 0


def test_ten_failures_in_a_row_break_it_and_a_success_mends_it(sink: Sink) -> None:
    sink.report(Signal.FAILED, times=9)
    assert not sink.pace.is_broken()

    sink.report(Signal.FAILED)
    assert sink.pace.is_broken()
    assert sink.limit() == 0

    sink.now = sink.pace.opens_ms()
    assert sink.limit() == 1
    sink.report(Signal.TOOK)
    assert not sink.pace.is_broken()
    assert sink.limit() > 1


def test_a_dead_sink_is_tried_at_growing_intervals_up_to_a_minute(sink: Sink) -> None:
    sink.report(Signal.FAILED, times=10)

    intervals = []
    for _ in range(9):
        intervals.append(sink.pace.opens_ms() - sink.now)
        sink.now = sink.pace.opens_ms()
        sink.report(Signal.FAILED, took_ms=0)

    assert intervals == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]


def test_attempts_that_were_under_way_when_it_broke_do_not_make_its_next_try_later(sink: Sink) -> None:
    began = sink.now
    sink.report(Signal.FAILED, times=10)
    opens = sink.pace.opens_ms()

    for _ in range(50):
        sink.pace.report(Signal.FAILED, began_ms=began, now_ms=sink.now + 5, wait_ms=0, full=True)

    assert sink.pace.opens_ms() == opens


_REPORTS = st.lists(
    st.tuples(st.sampled_from(Signal), st.integers(0, 5000), st.sampled_from([0, 0, 0, 10, 100_000]), st.booleans()),
    max_size=300,
)


@pytest.mark.parametrize("pace", [lambda: AdaptivePace(lambda: 0.5), ReferencePace], ids=["adaptive", "reference"])
@given(_REPORTS)
def test_whatever_happens_the_limit_keeps_its_bounds_and_a_closed_sink_opens_again(
    pace: type[ReferencePace], reports: list[tuple[Signal, int, int, bool]]
) -> None:
    sink = Sink(pace())
    for signal, took_ms, wait_ms, full in reports:
        sink.report(signal, wait_ms=wait_ms, full=full, took_ms=took_ms)

        assert 0 <= sink.limit() <= CEILING
        assert (rate := sink.pace.rate(sink.now)) is None or rate > 0
        assert sink.pace.opens_ms() <= sink.now + max(60_000, 100_000)
        assert sink.pace.limit(max(sink.pace.opens_ms(), sink.now), CEILING) >= 1


@given(_REPORTS)
def test_a_sink_is_broken_only_by_failures_and_never_after_a_success(
    reports: list[tuple[Signal, int, int, bool]],
) -> None:
    sink = Sink(AdaptivePace(lambda: 0.5))
    in_a_row = 0
    for signal, took_ms, wait_ms, full in reports:
        sink.report(signal, wait_ms=wait_ms, full=full, took_ms=took_ms)
        in_a_row = 0 if signal in {Signal.TOOK, Signal.TOOK_SOME} else in_a_row + 1

        assert sink.pace.is_broken() == (in_a_row >= 10)


# -- the reference's -------------------------------------------------------------------------------------------


def test_the_reference_s_throttle_begins_at_a_hundred_and_takes_a_hundredth_off_with_each_refusal() -> None:
    sink = Sink(ReferencePace())
    assert sink.pace.rate(sink.now) is None

    sink.report(Signal.FAILED)
    assert sink.pace.rate(sink.now) == 100.0

    sink.report(Signal.SLOW_DOWN)
    assert sink.pace.rate(sink.now) == 99.0
    assert sink.limit() == CEILING


def test_the_reference_s_throttle_grows_back_after_five_quiet_minutes_until_it_is_gone() -> None:
    sink = Sink(ReferencePace())
    sink.report(Signal.FAILED)

    sink.now += 5 * 60_000
    assert sink.pace.rate(sink.now) == 100.0
    sink.now += 60_000
    assert sink.pace.rate(sink.now) == pytest.approx(100.0 * 1.01**60)
    sink.now += 10 * 60_000
    assert sink.pace.rate(sink.now) is None


def test_the_reference_s_throttle_never_stops_for_good() -> None:
    sink = Sink(ReferencePace())

    sink.report(Signal.FAILED, times=10_000)

    assert sink.pace.rate(sink.now) == pytest.approx(1 / 60)
