"""The note of what is settled beyond the commit: what it says is so, and where it does not fit it says nothing."""

import string
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.kafka.commits import NOTE_CHARS
from eventstreams.kafka.records import Partition, Record
from sink_workers.lanes.offsets import OffsetTracker
from sink_workers.lanes.settled_ahead import AlreadySettled, SettledAhead, from_note, to_note

TP = Partition("es.sub.webhook.DF1", 0)
MOST_OF_KAFKA = 4096  # offset.metadata.max.bytes, the default


def records(offsets: Iterable[int], *, at_ms: int = 1_000, epoch: int = 3) -> list[Record]:
    return [Record(TP.topic, TP.number, offset, None, b"", [], at_ms + offset, epoch) for offset in offsets]


@dataclass
class Left:
    """What a worker leaves: its commit, and what it had settled."""

    offset: int
    note: str
    log: list[Record]
    settled: set[int]


def left_by(log: Sequence[Record], settled: Iterable[int]) -> Left:
    tracker = OffsetTracker()
    for each in log:
        tracker.take(each)
    done = set(settled)
    for each in log:
        if each.offset in done:
            tracker.settle(each)
    assert tracker.committable is not None
    return Left(tracker.committable, to_note(tracker.ahead(), TP), list(log), done)


def passed_over(left: Left, log: Sequence[Record], *, partition: Partition = TP) -> set[int]:
    """What the next owner of the partition, which finds ``log`` there, takes for settled."""
    ahead = from_note(left.note, partition, left.offset)
    if ahead is None:
        return set()
    before = AlreadySettled(ahead)
    return {each.offset for each in log if each.offset >= left.offset and before.has(each)}


@st.composite
def leavings(draw: st.DrawFn) -> Left:
    gaps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 7, 300]), min_size=2, max_size=60))
    offsets = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    settled = draw(st.sets(st.sampled_from(offsets), min_size=1))
    return left_by(records(offsets), settled)


@given(leavings())
def test_the_next_owner_passes_over_exactly_what_was_settled(left: Left) -> None:
    assert passed_over(left, left.log) == {each for each in left.settled if each >= left.offset}


@given(leavings(), st.data())
def test_what_is_passed_over_is_never_what_was_not_settled_whatever_is_there_now(
    left: Left, data: st.DataObject
) -> None:
    """Records may be gone, the topic made again, its end lost and written anew, the offset moved by hand."""
    cut = data.draw(st.integers(0, len(left.log)))
    end = left.log[-1].offset + 1
    kept, rewritten = left.log[:cut], range(left.log[cut].offset if cut < len(left.log) else end, end + 50)
    world = data.draw(st.sampled_from(["some are gone", "made again", "end lost", "end lost, clock behind"]))
    match world:
        case "some are gone":
            log = left.log[cut:]
        case "made again":
            log = records(range(end + 50), at_ms=90_000, epoch=0)
        case "end lost":
            log = [*kept, *records(rewritten, at_ms=90_000, epoch=data.draw(st.integers(-1, 9)))]
        case _:
            log = [*kept, *records(rewritten, at_ms=data.draw(st.integers(0, 2_000)), epoch=4)]
    moved = data.draw(st.integers(0, end))
    left.offset = data.draw(st.sampled_from([left.offset, moved]))

    settled_ones = {id(each) for each in left.log if each.offset in left.settled}
    passed = passed_over(left, log)

    assert {each.offset for each in log if id(each) not in settled_ones}.isdisjoint(passed)


def handed_on(left: Left, log: Sequence[Record], read: int, settled: set[int]) -> Left:
    """What an owner leaves that began with what is ``left``, found ``log``, and read ``read`` records of it."""
    ahead = from_note(left.note, TP, left.offset)
    before = None if ahead is None else AlreadySettled(ahead)
    tracker, done = OffsetTracker(), set[int]()
    for each in [each for each in log if each.offset >= left.offset][:read]:
        tracker.take(each)
        if (before is not None and before.has(each)) or each.offset in settled:
            tracker.settle(each)
            done.add(each.offset)
    if tracker.committable is None:
        return left  # nothing is committed
    return Left(tracker.committable, to_note(tracker.ahead(before), TP), list(log), left.settled | done)


@given(leavings(), st.lists(st.tuples(st.integers(1, 60), st.sets(st.integers(0, 400))), max_size=4))
def test_what_one_owner_settled_is_known_as_long_as_an_event_before_it_waits(
    left: Left, owners: list[tuple[int, set[int]]]
) -> None:
    first = left.offset  # it stays unsettled
    for read, settled in owners:
        left = handed_on(left, left.log, read, settled - {first})

    known = {each for each in left.settled if each > first}
    assert passed_over(left, left.log) == known


def test_what_was_settled_behind_what_the_next_owner_has_read_is_known_to_the_one_after_it() -> None:
    log = records(range(100))
    left = left_by(log, {*range(1, 10), *range(20, 90)})

    between = handed_on(left, log, read=15, settled={10, 11})

    assert passed_over(between, log) == {*range(1, 12), *range(20, 90)}


def test_where_all_that_was_read_is_settled_the_rest_is_not_handed_on() -> None:
    log = records(range(100))
    left = left_by(log, {0, 2, *range(50, 90)})

    between = handed_on(left, log, read=2, settled={1})

    assert (between.offset, between.note) == (3, "")  # nothing is known of the next record, which would prove the rest


@given(leavings(), st.data())
def test_what_is_handed_on_is_never_what_was_not_settled_whatever_kafka_has_lost_meanwhile(
    left: Left, data: st.DataObject
) -> None:
    log = left.log
    done = {id(each) for each in log if each.offset in left.settled}
    kept = [log]  # or an id could be that of another record
    for epoch in (4, 5, 6):
        cut = data.draw(st.integers(0, len(log)))
        rewritten = range(log[cut].offset if cut < len(log) else log[-1].offset + 1, left.log[-1].offset + 20)
        at_ms = data.draw(st.sampled_from([0, 1_000, 90_000]))  # the new leader's clock may be behind
        log = [*log[:cut], *records(rewritten, at_ms=at_ms, epoch=epoch)]
        kept.append(log)

        passed = passed_over(left, log)
        assert {each.offset for each in log if id(each) not in done}.isdisjoint(passed)

        read = [each for each in log if each.offset >= left.offset][: data.draw(st.integers(1, 60))]
        settled = data.draw(st.sets(st.sampled_from([each.offset for each in read]))) if read else set[int]()
        done |= {id(each) for each in read if each.offset in settled}
        left = handed_on(left, log, len(read), settled)


@given(
    st.lists(st.tuples(st.integers(1, 64), st.integers(1, 10**6)), min_size=1, max_size=40),
    st.integers(1, 200),
    st.integers(0, 2**62),
)
def test_a_note_is_short_enough_for_kafka_and_what_has_no_room_in_it_is_left_out(
    pairs: list[tuple[int, int]], times: int, number: int
) -> None:
    ahead = SettledAhead(number, number, number, 7, tuple(each for pair in pairs * times for each in pair))

    note = to_note(ahead, TP)

    assert len(note) <= NOTE_CHARS < MOST_OF_KAFKA
    assert note.isascii()
    found = from_note(note, TP, number)
    assert found is not None
    assert found.runs
    assert found == ahead._replace(runs=ahead.runs[: len(found.runs)])
    assert len(found.runs) % 2 == 0


def test_of_what_does_not_fit_the_first_is_kept() -> None:
    log = records(range(16_384))
    left = left_by(log, range(1, 16_384, 2))  # every other one

    passed = passed_over(left, log)

    assert len(passed) > 1_000
    assert passed == set(range(1, max(passed) + 1, 2))


def test_the_usual_note_is_short() -> None:
    """One event that waits, thousands that are settled, sixty-four on their way."""
    left = left_by(records(range(10_000, 26_000)), {*range(10_001, 25_900), *range(25_900, 26_000, 2)})

    assert len(left.note) < 220


def test_where_all_is_settled_there_is_nothing_to_say() -> None:
    left = left_by(records(range(5)), range(5))

    assert (left.offset, left.note) == (5, "")


@given(st.text(max_size=200) | st.text(string.ascii_letters + string.digits + "+/=", max_size=80).map("es1.".__add__))
def test_any_text_but_ours_says_nothing(text: str) -> None:
    assert from_note(text, TP, 0) is None


@given(leavings(), st.data())
def test_a_note_of_which_anything_was_changed_says_nothing(left: Left, data: st.DataObject) -> None:
    if not left.note:
        return
    at = data.draw(st.integers(0, len(left.note) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FF).filter(lambda each: each != left.note[at]))
    changed = left.note[:at] + other + left.note[at + 1 :]

    found = from_note(changed, TP, left.offset)

    assert found is None or found == from_note(left.note, TP, left.offset)  # base64 has bits that say nothing


@given(leavings(), st.data())
def test_a_note_that_was_cut_off_says_nothing(left: Left, data: st.DataObject) -> None:
    if left.note:
        assert from_note(left.note[: data.draw(st.integers(0, len(left.note) - 1))], TP, left.offset) is None


def test_a_note_of_another_partition_or_topic_or_offset_says_nothing() -> None:
    left = left_by(records(range(9)), [3, 4])

    assert from_note(left.note, TP, left.offset) is not None
    assert from_note(left.note, Partition(TP.topic, 1), left.offset) is None
    assert from_note(left.note, Partition("es.sub.webhook.DF2", 0), left.offset) is None
    assert from_note(left.note, TP, left.offset + 1) is None


def test_a_note_of_another_version_says_nothing() -> None:
    left = left_by(records(range(9)), [3, 4])

    assert from_note(left.note.replace("es1.", "es2."), TP, left.offset) is None


def test_bytes_that_are_sealed_but_are_no_note_say_nothing() -> None:
    payload = b"\xff" * 30
    seal = crc32(payload, crc32(f"{TP.topic}/{TP.number}".encode())).to_bytes(4, "big")

    assert from_note("es1." + b64encode(payload + seal).decode(), TP, 0) is None


@pytest.mark.parametrize(
    ("first", "passed"),
    [
        pytest.param(Record(TP.topic, 0, 0, None, b"", [], 1_000, 3), {1, 2}, id="the same"),
        pytest.param(Record(TP.topic, 0, 0, None, b"", [], 1_001, 3), set[int](), id="of another time"),
    ],
)
def test_the_first_record_must_be_the_one_that_was_not_settled(first: Record, passed: set[int]) -> None:
    log = records(range(4))
    left = left_by(log, [1, 2])

    assert passed_over(left, [first, *log[1:]]) == passed


def test_where_the_first_record_is_gone_nothing_is_passed_over() -> None:
    log = [each._replace(timestamp_ms=1_000) for each in records(range(4))]  # written in one batch
    left = left_by(log, [1, 2])

    assert passed_over(left, log[1:]) == set()


@pytest.mark.parametrize(
    "instead",
    [
        pytest.param({"epoch": 4}, id="a later leader, whose clock is behind"),
        pytest.param({"at_ms": 9_000}, id="the same leader, later"),
    ],
)
def test_what_kafka_wrote_in_place_of_what_it_has_lost_is_not_passed_over(instead: dict[str, int]) -> None:
    log = records(range(8))
    left = left_by(log, [1, 2, 5, 6])

    assert passed_over(left, [*log[:4], *records(range(4, 8), **instead)]) == {1, 2}


def test_what_comes_out_of_order_ends_it() -> None:
    log = records(range(6))
    left = left_by(log, [1, 2, 4])

    assert passed_over(left, [log[0], log[1], log[0], log[2], log[4]]) == {1}


def test_it_is_over_once_the_last_that_was_settled_has_come() -> None:
    log = records(range(6))
    left = left_by(log, [1, 2, 4])
    ahead = from_note(left.note, TP, left.offset)
    assert ahead is not None
    before = AlreadySettled(ahead)

    seen = []
    for each in log:
        before.has(each)
        seen.append(before.is_over)

    assert seen == [False, False, False, False, False, True]
