"""A lane: bounded, in order, and nothing is committable that its handler has not settled."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import pytest

from eventstreams.kafka.commits import Commit
from eventstreams.kafka.records import Partition, Record
from sink_workers.lanes import lane
from sink_workers.lanes.handler import LaneHandle, Limits
from sink_workers.lanes.lane import Lane
from tests.support.topic import eventually

TP = Partition("es.sub.webhook.DF1", 0)


def records(first: int, count: int, *, size: int = 10) -> list[Record]:
    return [Record(TP.topic, 0, first + n, None, b"x" * size, [], 0) for n in range(count)]


class Handler:
    """Lets the test decide when each batch is settled."""

    def __init__(self, limits: Limits) -> None:
        self.current = limits
        self.batches: list[list[int]] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.ready: Callable[[Record], int] = lambda _: 0
        self.deadline: Callable[[Record], int] = lambda _: 2_000_000
        self.wake: Callable[[], None] = lambda: None
        self.detached: list[Partition] = []
        self.blocking = False

    def limits(self, partition: Partition) -> Limits:
        return self.current

    def ready_at_ms(self, record: Record) -> int:
        return self.ready(record)

    def deadline_ms(self, record: Record) -> int:
        return self.deadline(record)

    def attach(self, partition: Partition, wake: Callable[[], None]) -> Callable[[], None]:
        self.wake = wake
        return lambda: self.detached.append(partition)

    async def handle(self, records: Sequence[Record], lane: LaneHandle) -> None:
        self.batches.append([record.offset for record in records])
        if self.blocking:
            await self.gates.setdefault(records[0].offset, asyncio.Event()).wait()
        for record in records:
            lane.settled(record)

    def release(self, offset: int) -> None:
        self.gates.setdefault(offset, asyncio.Event()).set()


class Harness:
    def __init__(self, limits: Limits, *, buffer_bytes: int = 1 << 20, commit: Commit | None = None) -> None:
        self.now = 1_000_000
        self.handler = Handler(limits)
        self.flow: list[str] = []
        self.may_begin = True
        self.asked = 0  # how often it was asked whether anything may begin
        self.crashes: list[BaseException] = []
        self.lane = Lane(
            TP,
            self.handler,
            clock=lambda: self.now,
            buffer_bytes=buffer_bytes,
            pause=lambda _: self.flow.append("pause"),
            resume=lambda _: self.flow.append("resume"),
            on_crash=self.crashes.append,
            may_begin=self._may_begin,
            commit=commit,
        )

    def _may_begin(self) -> bool:
        self.asked += 1
        return self.may_begin

    @property
    def committable(self) -> int | None:
        return None if self.lane.commit is None else self.lane.commit.offset


def singles(max_in_flight: int) -> Limits:
    return Limits(max_batch_events=1, max_batch_bytes=0, linger_s=0.0, max_in_flight=max_in_flight)


async def turn(times: int = 5) -> None:
    """Let every task that can go on do so."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_records_are_handled_in_order_and_then_committable() -> None:
    harness = Harness(singles(1))

    harness.lane.offer(records(5, 3))
    await turn(10)

    assert harness.handler.batches == [[5], [6], [7]]
    assert harness.committable == 8


async def test_a_slot_takes_nothing_more_once_nothing_may_begin_and_goes_on_when_it_is_told() -> None:
    harness = Harness(singles(1))
    harness.handler.blocking = True
    harness.lane.offer(records(0, 3))
    await turn()

    harness.may_begin = False
    harness.handler.release(0)
    await turn(10)

    assert harness.handler.batches == [[0]]
    assert harness.committable == 1  # what was under way is settled

    harness.may_begin = True
    harness.handler.blocking = False
    harness.lane.hold(held=False)
    await turn(10)
    assert harness.handler.batches == [[0], [1], [2]]


async def test_a_lane_that_might_not_begin_goes_on_by_itself_if_nobody_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when its consumer was out of the group for a moment."""
    monkeypatch.setattr(lane, "_LOOK_S", 0.01)
    harness = Harness(singles(1))
    harness.may_begin = False
    harness.lane.offer(records(0, 3))
    await turn(10)
    assert harness.handler.batches == []

    harness.may_begin = True

    await eventually(lambda: harness.handler.batches == [[0], [1], [2]])


async def test_a_lane_that_drains_asks_no_more_whether_anything_may_begin() -> None:
    """A consumer that ends no longer looks, so it would seem to have stood still for as long as the drain takes."""
    harness = Harness(singles(1))
    harness.handler.blocking = True
    harness.lane.offer(records(0, 3))
    await turn()
    harness.lane.stop()
    asked = harness.asked

    harness.handler.release(0)
    await turn(10)

    assert harness.committable == 1
    assert harness.asked == asked


async def test_what_the_owner_before_settled_stays_in_the_note_until_it_is_read_again() -> None:
    log = records(0, 40)
    owner = Harness(singles(64))
    owner.handler.blocking = True
    owner.lane.offer(log)
    for offset in range(10, 40):
        owner.handler.release(offset)
    await turn(10)
    left = owner.lane.commit
    assert left is not None
    assert left.offset == 0

    successor = Harness(singles(64), commit=left)
    successor.handler.blocking = True
    successor.lane.offer(log[:5])
    successor.handler.release(3)
    await turn(10)
    between = successor.lane.commit
    assert between is not None

    last = Harness(singles(64), commit=between)
    last.lane.offer(log)
    await turn(10)
    assert [offset for batch in last.handler.batches for offset in batch] == [0, 1, 2, *range(4, 10)]


async def test_no_more_than_the_limit_is_in_flight() -> None:
    harness = Harness(singles(2))
    harness.handler.blocking = True

    harness.lane.offer(records(0, 5))
    await turn()

    assert harness.handler.batches == [[0], [1]]
    assert harness.committable is None


async def test_a_record_settled_out_of_turn_does_not_move_the_commit() -> None:
    harness = Harness(singles(2))
    harness.handler.blocking = True
    harness.lane.offer(records(0, 3))
    await turn()

    harness.handler.release(1)
    await turn()
    assert harness.committable == 0

    harness.handler.release(0)
    harness.handler.release(2)
    await turn()
    assert harness.committable == 3


async def test_a_limit_that_grows_takes_effect_at_once() -> None:
    harness = Harness(singles(1))
    harness.handler.blocking = True
    harness.lane.offer(records(0, 5))
    await turn()

    harness.handler.current = singles(3)
    harness.handler.release(0)
    await turn()

    assert harness.handler.batches == [[0], [1], [2], [3]]


async def test_a_full_buffer_pauses_the_partition_and_an_emptied_one_resumes_it() -> None:
    harness = Harness(singles(1), buffer_bytes=7_000)
    harness.handler.blocking = True

    harness.lane.offer(records(0, 20))
    await turn()
    assert harness.flow == ["pause"]

    harness.handler.blocking = False
    harness.handler.release(0)
    await turn(60)
    assert harness.flow == ["pause", "resume"]
    assert harness.committable == 20


async def test_a_full_batch_goes_at_once_and_a_partial_one_after_its_linger() -> None:
    harness = Harness(Limits(max_batch_events=3, max_batch_bytes=1000, linger_s=0.05, max_in_flight=4))

    harness.lane.offer(records(0, 4))
    await turn()
    assert harness.handler.batches == [[0, 1, 2]]

    harness.now += 50
    await asyncio.wait_for(_until(lambda: len(harness.handler.batches) == 2), 30)
    assert harness.handler.batches[1] == [3]


async def test_records_behind_one_that_waits_set_no_timer_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness(singles(64))
    harness.handler.ready = lambda _: harness.now + 600_000
    loop, timers = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at

    def counted(when: float, *arguments: Any, **more: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *arguments, **more)

    monkeypatch.setattr(loop, "call_at", counted)
    for offset in range(100):
        harness.lane.offer(records(offset, 1))
    harness.lane.abandon()

    assert len(timers) < 5  # one; the clock may have been set forward


async def test_a_head_that_is_due_sooner_than_the_timer_is_taken_in_time() -> None:
    harness = Harness(singles(64))
    harness.handler.ready = lambda _: harness.now + 600_000
    harness.lane.offer(records(0, 1))

    harness.handler.ready = lambda _: harness.now + 1  # as of a topic that was made again, or a clock that was set
    harness.lane.offer(records(1, 1))
    harness.now += 1
    harness.handler.ready = lambda _: harness.now
    await eventually(lambda: harness.handler.batches == [[0], [1]])


async def test_a_batch_that_lingers_is_taken_before_a_deadline_in_it_passes() -> None:
    harness = Harness(Limits(max_batch_events=100, max_batch_bytes=1000, linger_s=60.0, max_in_flight=4))
    harness.handler.deadline = lambda record: harness.now + (40_000 if record.offset == 1 else 14_400_000)

    harness.lane.offer(records(0, 3))
    await turn()
    assert harness.handler.batches == []

    harness.now += 10_000  # half a minute is left of the second's forty seconds
    harness.lane.offer(records(3, 1))
    await turn()
    assert harness.handler.batches == [[0, 1, 2, 3]]


async def test_a_deadline_counts_as_long_as_its_record_lingers_and_no_longer() -> None:
    harness = Harness(Limits(max_batch_events=3, max_batch_bytes=1000, linger_s=60.0, max_in_flight=4))
    harness.handler.deadline = lambda record: 1_000_000 + (20_000 if record.offset == 3 else 14_400_000)

    harness.lane.offer(records(0, 2))
    harness.lane.offer(records(2, 1))
    await turn()
    assert harness.handler.batches == [[0, 1, 2]]

    harness.lane.offer(records(3, 1))  # less than half a minute
    await turn()
    assert harness.handler.batches == [[0, 1, 2], [3]]

    harness.lane.offer(records(4, 1))
    await turn()
    assert len(harness.handler.batches) == 2


async def test_headers_count_to_what_a_buffer_holds() -> None:
    harness = Harness(singles(0), buffer_bytes=9_000)
    named = [each._replace(headers=[(f"h{number}", b"v") for number in range(10)]) for each in records(0, 4)]

    harness.lane.offer(named[:3])
    assert harness.flow == []

    harness.lane.offer(named[3:])  # 2,510 bytes each: without their headers 17 of them would fit
    assert harness.flow == ["pause"]


async def test_what_a_full_buffer_holds_does_not_linger() -> None:
    harness = Harness(
        Limits(max_batch_events=4, max_batch_bytes=1000, linger_s=60.0, max_in_flight=4), buffer_bytes=3_000
    )

    harness.lane.offer(records(0, 6))  # no more will come: each takes 510 bytes
    await turn()

    assert harness.handler.batches == [[0, 1, 2, 3], [4, 5]]
    assert harness.flow == ["pause", "resume"]


async def test_draining_leaves_what_lingers_to_the_next_owner_at_once() -> None:
    harness = Harness(Limits(max_batch_events=100, max_batch_bytes=1000, linger_s=60.0, max_in_flight=4))
    harness.lane.offer(records(0, 3))

    await harness.lane.drain(timeout_s=60.0)

    assert harness.handler.batches == []
    assert harness.committable is None


async def test_a_batch_is_cut_where_its_bytes_would_be_too_many() -> None:
    harness = Harness(Limits(max_batch_events=10, max_batch_bytes=25, linger_s=0.0, max_in_flight=1))

    harness.lane.offer(records(0, 5, size=10))
    await turn(10)

    assert harness.handler.batches == [[0, 1], [2, 3], [4]]


async def test_a_single_record_above_the_bytes_of_a_batch_goes_alone() -> None:
    harness = Harness(Limits(max_batch_events=10, max_batch_bytes=25, linger_s=0.0, max_in_flight=1))

    harness.lane.offer(records(0, 2, size=100))
    await turn(10)

    assert harness.handler.batches == [[0], [1]]


async def test_a_head_that_is_not_due_holds_up_its_lane_until_it_is() -> None:
    harness = Harness(singles(2))
    harness.handler.ready = lambda record: 1_000_030 if record.offset == 0 else 0

    harness.lane.offer(records(0, 2))
    await turn()
    assert harness.handler.batches == []

    harness.now += 30
    await asyncio.wait_for(_until(lambda: len(harness.handler.batches) == 2), 30)
    assert harness.committable == 2


async def test_draining_settles_what_is_in_flight_and_takes_no_more() -> None:
    harness = Harness(singles(1))
    harness.handler.blocking = True
    harness.lane.offer(records(0, 3))
    await turn()

    draining = asyncio.create_task(harness.lane.drain(timeout_s=5))
    await turn()
    harness.handler.release(0)
    await draining

    assert harness.handler.batches == [[0]]
    assert harness.committable == 1


async def test_draining_lets_go_of_what_hangs_and_does_not_call_it_settled() -> None:
    harness = Harness(singles(1))
    harness.handler.blocking = True
    harness.lane.offer(records(0, 1))
    await turn()

    await harness.lane.drain(timeout_s=0.01)
    await turn()

    assert harness.committable is None
    assert harness.crashes == []


async def test_draining_does_not_wait_for_the_probe_of_a_broken_sink_but_for_all_else() -> None:
    harness = Harness(singles(2))
    harness.handler.blocking = True
    handle = harness.handler.handle

    async def probing(records: Sequence[Record], lane: LaneHandle) -> None:
        with lane.probing() if records[0].offset == 1 else nullcontext():
            await handle(records, lane)

    harness.handler.handle = probing  # type: ignore[method-assign]
    harness.lane.offer(records(0, 2))
    await turn()
    [probe] = harness.lane._handle.probes

    draining = asyncio.create_task(harness.lane.drain(timeout_s=300))
    await asyncio.wait({probe}, timeout=60)
    assert probe.cancelled()
    assert not draining.done()
    harness.handler.release(0)
    await asyncio.wait_for(draining, 60)

    assert harness.committable == 1
    assert harness.lane._handle.probes == set()


async def test_records_offered_after_the_end_are_left_to_the_next_owner() -> None:
    harness = Harness(singles(1))
    await harness.lane.drain(timeout_s=0)

    harness.lane.offer(records(0, 3))
    await turn()

    assert harness.handler.batches == []
    assert harness.committable is None


async def test_a_handler_that_raises_is_a_bug_and_reported_as_one() -> None:
    harness = Harness(singles(1))

    async def raising(records: Sequence[Record], lane: LaneHandle) -> None:
        raise ValueError("bug")

    harness.handler.handle = raising  # type: ignore[method-assign]
    harness.lane.offer(records(0, 1))
    await turn()

    assert [type(error) for error in harness.crashes] == [ValueError]
    assert harness.committable is None


async def test_a_lane_that_may_not_take_leaves_its_records_and_goes_on_when_it_is_woken() -> None:
    harness = Harness(singles(0))
    harness.lane.offer(records(0, 3))
    await turn()
    assert harness.handler.batches == []

    harness.handler.current = singles(1)
    harness.handler.wake()
    await turn(10)

    assert harness.handler.batches == [[0], [1], [2]]


async def test_what_expires_in_a_lane_that_may_not_take_is_handled_wherever_it_stands() -> None:
    harness = Harness(singles(0))
    harness.handler.deadline = lambda record: 1_000_010 if record.offset in {1, 3} else 2_000_000
    harness.lane.offer(records(0, 5))
    await turn()

    harness.now += 10
    await asyncio.wait_for(_until(lambda: bool(harness.handler.batches)), 30)

    assert harness.handler.batches == [[1, 3]]
    assert harness.committable == 0  # the head still waits
    assert harness.lane.unsettled == 3


async def test_a_backlog_that_expires_behind_a_closed_gate_frees_the_buffer_for_what_follows() -> None:
    harness = Harness(singles(0), buffer_bytes=7_000)
    harness.handler.deadline = lambda _: 1_000_000
    harness.lane.offer(records(0, 20))
    await asyncio.wait_for(_until(lambda: harness.committable == 20), 30)

    assert harness.flow == ["pause", "resume"]


async def test_what_is_settled_behind_a_head_that_is_not_is_bounded_and_goes_on_when_the_head_is() -> None:
    harness = Harness(singles(2), buffer_bytes=1 << 30)
    harness.handler.blocking = True
    head = harness.handler.gates.setdefault(0, asyncio.Event())
    for offset in range(1, 40_000):
        harness.handler.release(offset)

    for first in range(0, 40_000, 500):
        if harness.flow[-1:] != ["pause"]:
            harness.lane.offer(records(first, 500))
            await turn(1500)
    paused_at = max(batch[0] for batch in harness.handler.batches)
    assert harness.flow == ["pause"]
    assert harness.committable == 0

    head.set()
    await asyncio.wait_for(_until(lambda: harness.flow[-1:] == ["resume"]), 30)
    assert paused_at < 20_000


async def test_a_lane_with_more_expired_records_than_it_may_settle_at_once_does_not_turn_idly() -> None:
    harness = Harness(singles(0), buffer_bytes=64 << 20)
    harness.handler.blocking = True
    asked = 0

    def deadline(_: Record) -> int:
        nonlocal asked
        asked += 1
        return 1_000_000

    harness.handler.deadline = deadline
    harness.lane.offer(records(0, 4000))
    await turn(20)
    assert len(harness.handler.batches) == 16
    asked = 0

    await turn(1000)

    assert asked == 0
    harness.lane.abandon()
    await turn()


async def test_a_lane_that_waited_for_an_expired_record_alone_goes_on_when_it_is_settled() -> None:
    harness = Harness(singles(0), buffer_bytes=64 << 20)
    harness.handler.deadline = lambda record: 1_000_000 if record.offset == 0 else 2_000_000
    harness.handler.blocking = True
    harness.lane.offer(records(0, 1))
    await asyncio.wait_for(_until(lambda: harness.handler.batches == [[0]]), 30)
    harness.handler.blocking, harness.handler.current = False, singles(64)
    for first in range(1, 17_001, 500):  # more than may be behind one that is not settled
        harness.lane.offer(records(first, 500))
        await turn(50)
    await asyncio.sleep(0.6)  # nothing looks any more
    assert len(harness.handler.batches) < 17_001

    harness.handler.release(0)

    await asyncio.wait_for(_until(lambda: harness.committable == 17_001), 30)


async def test_a_handler_may_settle_a_part_of_its_batch_before_the_rest() -> None:
    harness = Harness(Limits(max_batch_events=2, max_batch_bytes=1000, linger_s=0.0, max_in_flight=1))
    rest = asyncio.Event()

    async def in_parts(records: Sequence[Record], lane: LaneHandle) -> None:
        lane.settled(records[0])
        await rest.wait()
        lane.settled(records[1])

    harness.handler.handle = in_parts  # type: ignore[method-assign]
    harness.lane.offer(records(0, 2))
    await turn()
    assert harness.committable == 1

    rest.set()
    await turn()
    assert harness.committable == 2


async def test_draining_does_not_wait_for_who_only_waits_for_the_sink() -> None:
    harness = Harness(singles(1))

    async def waiting(records: Sequence[Record], lane: LaneHandle) -> None:
        await asyncio.wait({lane.stopped})

    harness.handler.handle = waiting  # type: ignore[method-assign]
    harness.lane.offer(records(0, 1))
    await turn()

    await asyncio.wait_for(harness.lane.drain(timeout_s=60), 30)

    assert harness.committable is None
    assert harness.handler.detached == [TP]


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("in_flight", [1, 4, 64])
async def test_every_record_is_handled_exactly_once_however_many_are_in_flight(in_flight: int) -> None:
    harness = Harness(singles(in_flight))

    for first in range(0, 500, 50):
        harness.lane.offer(records(first, 50))
        await turn(2)
    await asyncio.wait_for(_until(lambda: harness.committable == 500), 30)

    assert sorted(offset for batch in harness.handler.batches for offset in batch) == list(range(500))


async def test_a_held_lane_takes_nothing_but_what_has_expired_and_goes_on_when_it_is_let_go() -> None:
    harness = Harness(singles(2))
    harness.handler.deadline = lambda record: 900_000 if record.offset == 1 else 2_000_000

    harness.lane.hold(held=True)
    harness.lane.offer(records(0, 3))
    await eventually(lambda: harness.handler.batches == [[1]])
    await turn()
    assert harness.committable == 0

    harness.lane.hold(held=False)
    await turn()

    assert harness.handler.batches == [[1], [0], [2]]
    assert harness.committable == 3


# -- what is settled beyond the commit ---------------------------------------------------------------------------


async def left_behind(settled: Sequence[int], *, of: Sequence[Record]) -> Commit:
    """The last commit of a lane that was offered ``of``, and has settled ``settled``."""
    harness = Harness(singles(len(of)), buffer_bytes=1 << 30)
    harness.handler.blocking = True
    for offset in settled:
        harness.handler.release(offset)
    for first in range(0, len(of), 500):
        harness.lane.offer(of[first : first + 500])
        await turn(3)
    assert harness.lane.commit is not None
    return harness.lane.commit


async def test_the_next_owner_handles_what_was_not_settled_and_nothing_else() -> None:
    log = records(0, 12)
    commit = await left_behind([1, 2, 5, 9], of=log[:10])
    harness = Harness(singles(64), commit=commit)

    harness.lane.offer(log[:6])
    harness.lane.offer(log[6:])
    await turn(20)

    assert harness.handler.batches == [[0], [3], [4], [6], [7], [8], [10], [11]]
    assert harness.lane.commit == Commit(12)


async def test_what_one_owner_was_told_the_next_but_one_is_told_too() -> None:
    log = records(0, 10)
    commit = await left_behind([1, 2, 5, 9], of=log)
    second = Harness(singles(64), commit=commit)
    second.handler.blocking = True
    second.lane.offer(log)
    second.handler.release(3)
    await turn()

    third = Harness(singles(64), commit=second.lane.commit)
    third.lane.offer(log)
    await turn(20)

    assert third.handler.batches == [[0], [4], [6], [7], [8]]


@pytest.mark.parametrize(
    "commit_of",
    [
        pytest.param(lambda _: None, id="nothing was committed"),
        pytest.param(lambda commit: Commit(commit.offset), id="the offset alone, as tools write it"),
        pytest.param(lambda commit: Commit(commit.offset, "by somebody else"), id="another text"),
        pytest.param(lambda commit: Commit(commit.offset, commit.note[:-3]), id="half of it"),
        pytest.param(lambda commit: Commit(commit.offset + 1, commit.note), id="moved by hand, the text was kept"),
    ],
)
async def test_where_the_note_does_not_belong_to_the_commit_all_is_handled(
    commit_of: Callable[[Commit], Commit | None],
) -> None:
    log = records(0, 5)
    harness = Harness(singles(64), commit=commit_of(await left_behind([1, 2], of=log)))

    harness.lane.offer(log)
    await turn(20)

    assert harness.handler.batches == [[0], [1], [2], [3], [4]]


async def test_of_a_topic_that_was_made_again_all_is_handled() -> None:
    commit = await left_behind([1, 2], of=records(0, 5))
    harness = Harness(singles(64), commit=commit)

    harness.lane.offer([each._replace(timestamp_ms=1) for each in records(0, 5)])
    await turn(20)

    assert harness.handler.batches == [[0], [1], [2], [3], [4]]


async def test_a_topic_that_is_made_again_under_a_lane_is_settled_by_its_own_records() -> None:
    harness = Harness(singles(64))
    under_way: list[tuple[Record, LaneHandle]] = []

    async def waiting(records: Sequence[Record], lane: LaneHandle) -> None:
        under_way.append((records[0], lane))
        await lane.stopped

    harness.handler.handle = waiting  # type: ignore[method-assign]
    harness.lane.offer(records(0, 3))
    harness.lane.offer(records(0, 3))  # the client was told that its offset is none, and began anew
    await turn()
    assert [each.offset for each, _ in under_way] == [0, 1, 2, 0, 1, 2]

    for record, its in under_way[:3]:
        its.settled(record)
    assert harness.lane.commit is None

    record, its = under_way[3]
    its.settled(record)
    assert harness.lane.commit == Commit(1)


async def test_a_commit_says_no_more_once_the_first_that_was_not_settled_is() -> None:
    harness = Harness(singles(3))
    harness.handler.blocking = True
    harness.lane.offer(records(0, 3))
    await turn()

    notes = []
    for offset in (2, 1, 0):
        harness.handler.release(offset)
        await turn()
        notes.append(None if harness.lane.commit is None else harness.lane.commit.note)

    assert notes[2] == ""
    assert notes[0] != notes[1]
    assert all(notes[:2])


async def test_the_first_event_is_attempted_however_much_is_settled_behind_it() -> None:
    """Its sink takes nothing when it comes, and by the time it does there is no more room in the lane."""
    log = records(0, 17_500)
    commit = await left_behind(range(1, 17_500), of=log[:17_000])
    harness = Harness(singles(0), commit=commit)
    for first in range(0, len(log), 500):
        if harness.flow[-1:] != ["pause"]:
            harness.lane.offer(log[first : first + 500])
            await turn(2)
    assert harness.flow == ["pause"]
    assert harness.lane.unsettled < 500

    harness.handler.current = singles(1)
    harness.handler.wake()
    await turn()

    assert harness.handler.batches[0] == [0]
    assert harness.flow == ["pause", "resume"]
