"""The offset tracker: no offset is committable over an unsettled one."""

from hypothesis import given
from hypothesis import strategies as st

from sink_workers.offsets import OffsetTracker


def test_nothing_is_committable_before_the_first_record_is_settled() -> None:
    tracker = OffsetTracker()
    tracker.take(7)

    assert tracker.committable is None
    assert tracker.unsettled == 1


def test_a_record_settled_early_waits_for_those_before_it() -> None:
    tracker = OffsetTracker()
    for offset in (3, 4, 9):
        tracker.take(offset)

    seen = []
    for offset in (4, 3, 9):
        tracker.settle(offset)
        seen.append(tracker.committable)

    assert seen == [None, 5, 10]


@given(st.data(), st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=40).map(sorted))
def test_for_any_order_of_settling_the_committable_offset_is_the_end_of_the_settled_prefix(
    data: st.DataObject, offsets: list[int]
) -> None:
    tracker = OffsetTracker()
    settled: set[int] = set()
    taken = 0
    while len(settled) < len(offsets):
        open_ones = [offset for offset in offsets[:taken] if offset not in settled]
        if taken < len(offsets) and (not open_ones or data.draw(st.booleans())):
            tracker.take(offsets[taken])
            taken += 1
            continue
        settling = data.draw(st.sampled_from(open_ones))
        tracker.settle(settling)
        settled.add(settling)

        prefix: int = next((i for i, offset in enumerate(offsets) if offset not in settled), len(offsets))
        assert tracker.committable == (offsets[prefix - 1] + 1 if prefix else None)
        assert tracker.unsettled == taken - len(settled)
