"""When a sink's owner is told of its errors."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sink_workers.notices.cadence import INTERVAL_MS, Cadence, Trouble

MINUTE_MS = 60_000


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def pass_by(self, span_ms: int) -> None:
        self.now_ms += span_ms


def notices(gaps_ms: Sequence[int]) -> list[tuple[int, Trouble]]:
    """Notices of a sink that fails at once and then after each of ``gaps_ms``, with the time from the start."""
    clock = Hands()
    cadence, began_ms, found = Cadence(clock), clock.now_ms, []
    for gap_ms in (0, *gaps_ms):
        clock.pass_by(gap_ms)
        if trouble := cadence.failed("DG1"):
            found.append((clock.now_ms - began_ms, trouble))
    return found


def test_the_first_error_and_each_power_of_ten_are_told() -> None:
    assert [trouble.errors for _, trouble in notices([0] * 9_999)] == [1, 10, 100, 1000, 10_000]


def test_while_errors_go_on_there_is_a_notice_every_twenty_minutes() -> None:
    told = notices([MINUTE_MS] * 120)

    assert [(at // MINUTE_MS, trouble.errors) for at, trouble in told] == [
        (0, 1),
        (9, 10),
        (29, 30),
        (49, 50),
        (69, 70),
        (89, 90),
        (99, 100),
        (119, 120),
    ]


def test_errors_further_apart_than_twenty_minutes_are_one_trouble_and_each_is_told() -> None:
    told = notices([30 * MINUTE_MS] * 5)

    assert [trouble.errors for _, trouble in told] == [1, 2, 3, 4, 5, 6]
    assert len({trouble.since_ms for _, trouble in told}) == 1


def test_a_sink_that_delivers_twenty_minutes_after_its_last_error_starts_afresh() -> None:
    clock = Hands()
    cadence = Cadence(clock)
    assert cadence.failed("DG1")
    assert not cadence.failed("DG1")

    clock.pass_by(INTERVAL_MS)
    cadence.delivered("DG1")

    assert len(cadence) == 0
    assert cadence.failed("DG1") == Trouble(errors=1, since_ms=clock.now_ms, at_ms=clock.now_ms)


def test_a_delivery_between_two_errors_does_not_make_the_second_a_first_one() -> None:
    clock = Hands()
    cadence = Cadence(clock)
    assert cadence.failed("DG1")

    clock.pass_by(INTERVAL_MS - 1)
    cadence.delivered("DG1")

    assert cadence.failed("DG1") is None


def test_sinks_are_counted_apart() -> None:
    cadence = Cadence(Hands())

    assert all(cadence.failed(f"DG{number}") for number in range(50))
    assert not any(cadence.failed(f"DG{number}") for number in range(50))


def test_the_sink_whose_last_error_is_oldest_is_forgotten_when_there_are_too_many() -> None:
    cadence = Cadence(Hands(), max_sinks=3)
    for sink in ("DG1", "DG2", "DG3", "DG1", "DG4"):
        cadence.failed(sink)

    assert len(cadence) == 3
    assert cadence.failed("DG1") is None
    assert cadence.failed("DG2") is not None


@given(gaps_ms=st.lists(st.integers(0, 40 * MINUTE_MS) | st.integers(0, 1000), max_size=2000))
def test_however_the_errors_come_the_number_of_notices_is_bounded(gaps_ms: list[int]) -> None:
    told = notices(gaps_ms)

    powers_of_ten = len(str(1 + len(gaps_ms)))
    assert len(told) <= powers_of_ten + sum(gaps_ms) // INTERVAL_MS
    assert (told[0][0], told[0][1].errors) == (0, 1)


@given(steps=st.lists(st.tuples(st.integers(0, 30 * MINUTE_MS), st.booleans()), max_size=500))
def test_an_owner_waits_at_most_twenty_minutes_of_errors_for_the_next_notice(steps: list[tuple[int, bool]]) -> None:
    clock = Hands()
    cadence, told_ms = Cadence(clock), -INTERVAL_MS
    for gap_ms, fails in steps:
        clock.pass_by(gap_ms)
        if not fails:
            cadence.delivered("DG1")
        elif cadence.failed("DG1"):
            told_ms = clock.now_ms
        else:
            assert clock.now_ms - told_ms < INTERVAL_MS
