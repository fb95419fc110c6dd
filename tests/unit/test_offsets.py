"""The offset tracker: no offset is committable over an unsettled one, and what is settled beyond is known."""

from hypothesis import given
from hypothesis import strategies as st

from eventstreams.kafka.records import Record
from sink_workers.lanes.offsets import OffsetTracker


def record(offset: int, *, at_ms: int = 0, epoch: int = 0) -> Record:
    return Record("es.sub.webhook.DF1", 0, offset, None, b"", [], at_ms, epoch)


def test_nothing_is_committable_before_the_first_record_is_settled() -> None:
    tracker = OffsetTracker()
    tracker.take(record(7))

    assert tracker.committable is None
    assert tracker.ahead() is None
    assert tracker.unsettled == 1


def test_a_record_settled_early_waits_for_those_before_it() -> None:
    tracker = OffsetTracker()
    taken = {offset: record(offset) for offset in (3, 4, 9)}
    for each in taken.values():
        tracker.take(each)

    seen = []
    for offset in (4, 3, 9):
        tracker.settle(taken[offset])
        seen.append(tracker.committable)

    assert seen == [3, 9, 10]


@given(st.data(), st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=40).map(sorted))
def test_for_any_order_of_settling_the_committable_offset_is_the_end_of_the_settled_prefix(
    data: st.DataObject, offsets: list[int]
) -> None:
    tracker = OffsetTracker()
    records = [record(offset, at_ms=2 * offset, epoch=offset // 1000) for offset in offsets]
    settled: set[int] = set()
    taken = 0
    while len(settled) < len(offsets):
        open_ones = [each for each in records[:taken] if each.offset not in settled]
        if taken < len(offsets) and (not open_ones or data.draw(st.booleans())):
            tracker.take(records[taken])
            taken += 1
            continue
        settling = data.draw(st.sampled_from(open_ones))
        tracker.settle(settling)
        settled.add(settling.offset)

        left = [each for each in offsets[:taken] if each not in settled]
        assert tracker.committable == (left[0] if left else offsets[taken - 1] + 1)
        assert tracker.unsettled == taken - len(settled)
        assert tracker.window == (taken - offsets.index(left[0]) if left else 0)
        ahead = tracker.ahead()
        beyond = [each for each in sorted(settled) if left and each > left[0]]
        assert (ahead is not None) == bool(beyond)
        if ahead is not None:
            assert (ahead.first, ahead.first_ms) == (left[0], 2 * left[0])
            assert (ahead.newest_ms, ahead.epoch) == (2 * beyond[-1], beyond[-1] // 1000)
            assert ahead.first + sum(ahead.runs) == beyond[-1] + 1


def test_how_far_a_record_is_from_the_first_that_is_not_settled_counts_records_and_not_offsets() -> None:
    tracker = OffsetTracker()
    taken = [record(offset) for offset in (3, 500, 501, 9_000)]
    for each in taken:
        tracker.take(each)

    tracker.settle(taken[1])
    assert [tracker.distance(each) for each in (taken[0], taken[2], taken[3])] == [0, 2, 3]

    tracker.settle(taken[0])
    assert [tracker.distance(each) for each in (taken[2], taken[3])] == [0, 1]


def test_records_of_a_topic_that_was_made_again_are_tracked_anew_and_the_old_ones_settle_nothing() -> None:
    tracker = OffsetTracker()
    old = [record(offset, at_ms=1) for offset in range(8)]
    for each in old:
        tracker.take(each)
    tracker.settle(old[3])
    new = [record(offset, at_ms=2) for offset in range(6)]
    for each in new:
        tracker.take(each)

    for each in old:
        tracker.settle(each)
    assert tracker.committable is None
    assert tracker.ahead() is None
    assert tracker.unsettled == len(new)

    tracker.settle(new[0])
    assert tracker.committable == 1
