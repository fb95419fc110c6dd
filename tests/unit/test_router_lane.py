"""The lane makes copies of runs while brokers have those of the runs before; none is answered for before they do."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Container, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka import KafkaError

from eventstreams.settings import Settings
from router.at_least_once.lane import AtLeastOnceLane
from router.at_least_once.probe_copies import ProbeCopy
from router.at_least_once.record_batch import RecordBatch
from router.batches import Batch
from router.copying.avoided_topics import AvoidedTopics
from router.copying.lane import Job, Settled
from router.planning.plan import Copy, Run, Times
from router.record_format import header_fields
from tests.support.topic import eventually

pytestmark = pytest.mark.timeout(60)

TOPIC = "es.sub.webhook.DF1"
SETTINGS = Settings.load(kafka="127.0.0.1:1")


class _Producer:
    """Settles the groups that it is told to, and no others."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.left: Counter[int] = Counter()
        self.sent: list[tuple[int, list[bytes | None]]] = []
        self.waited_for: list[int | None] = []
        self.failed = 0
        self._failed: list[tuple[RecordBatch, KafkaError]] = []
        self.batches: list[RecordBatch] = []

    def send(self, batches: Sequence[RecordBatch]) -> None:
        with self.changed:
            for batch in batches:
                self.left[batch.group] += batch.records
                self.batches.append(batch)
                self.sent.append((batch.group, [record.value for record in batch.read()]))

    def flush(self, timeout_s: float, group: int | None = None) -> int:
        def left() -> int:
            return self.left.total() if group is None else self.left[group]

        with self.changed:
            self.waited_for.append(group)
            self.changed.wait_for(lambda: not left(), timeout_s)
            return left()

    def settle(self, group: int, *, failing: bool = False) -> None:
        with self.changed:
            self.left[group] = 0
            if failing:
                self._failed += [
                    (batch, KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
                    for batch in self.batches
                    if batch.group == group
                ]
                self.failed = sum(batch.records for batch, _ in self._failed)
            self.changed.notify_all()

    def take_failed(self) -> Sequence[tuple[RecordBatch, KafkaError]]:
        failed, self._failed, self.failed = self._failed, [], 0
        return failed

    def answered(self, _: float) -> bool:
        return False  # while none does, nothing is given up

    def keep(self, _: Container[str]) -> None: ...

    def close(self) -> None: ...


def run_of(*values: bytes) -> Run:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for number, value in enumerate(values):
        builder.append(number, 1_000, b"key", value, [("ce_id", value)])
    return Run("es.events", 0, [Batch(bytes(builder.build()))], is_last=True)


@pytest.fixture
async def producer() -> _Producer:
    return _Producer()


@pytest.fixture
async def lane(producer: _Producer) -> AsyncIterator[AtLeastOnceLane]:
    avoided_topics = AvoidedTopics(SETTINGS, tell=lambda _: None, wanted=set)
    owner = [("es_subscription", b"DF1")]
    ways = [((TOPIC, 0), 1, 1_000, owner, header_fields(owner))]
    planner = SimpleNamespace(ways_by_bytes=lambda *_: ways, times=Times(1_000), topics=lambda: {TOPIC})
    made = AtLeastOnceLane(
        SETTINGS, cast(Any, planner), dead_topic="dead", restore=lambda _: set(), avoided_topics=avoided_topics
    )
    made._copies._producer.close()
    made._copies._producer = cast(Any, producer)
    async with made:
        yield made
        for group in range(10):
            producer.settle(group)


async def two_groups(lane: AtLeastOnceLane, producer: _Producer) -> "list[asyncio.Future[Any]]":
    """The second one comes while the lane waits for the first, a third while it waits for both."""
    [first] = lane.deliver([run_of(b"a")])
    await eventually(lambda: producer.waited_for == [None])
    [second] = lane.deliver([run_of(b"b")])
    [third] = lane.deliver([run_of(b"c")])
    producer.settle(0)
    await eventually(first.done)
    return [second, third]


async def test_a_run_is_answered_for_once_brokers_have_its_copies(lane: AtLeastOnceLane, producer: _Producer) -> None:
    [answer] = lane.deliver([run_of(b"a", b"b")])
    await eventually(lambda: bool(producer.waited_for))
    assert not answer.done()

    producer.settle(0)

    assert (await answer).copies == 2
    assert producer.sent == [(0, [b"a", b"b"])]


async def test_while_runs_wait_the_next_are_copied_before_brokers_have_the_last(
    monkeypatch: pytest.MonkeyPatch, lane: AtLeastOnceLane, producer: _Producer
) -> None:
    monkeypatch.setattr("router.copying.lane._MAX_GROUP", 1)
    [second, third] = await two_groups(lane, producer)
    await eventually(lambda: len(producer.sent) == 3)
    assert not second.done()
    assert not third.done()
    assert producer.waited_for[-1] is None, "nothing more waits: both are waited for"

    producer.settle(1)
    producer.settle(2)

    assert [(await answer).copies for answer in (second, third)] == [1, 1]
    assert [group for group, _ in producer.sent] == [0, 1, 2]


async def test_the_group_before_the_last_is_answered_for_by_itself(
    monkeypatch: pytest.MonkeyPatch, lane: AtLeastOnceLane, producer: _Producer
) -> None:
    monkeypatch.setattr("router.copying.lane._MAX_GROUP", 1)
    [second, third] = await two_groups(lane, producer)
    await eventually(lambda: len(producer.sent) == 3)
    [fourth] = lane.deliver([run_of(b"d")])
    [fifth] = lane.deliver([run_of(b"e")])
    producer.settle(1)
    producer.settle(2)
    await eventually(lambda: len(producer.sent) == 5)
    assert [answer.done() for answer in (second, third)] == [True, True]
    assert not fourth.done()

    producer.settle(3)
    producer.settle(4)

    assert [(await answer).copies for answer in (fourth, fifth)] == [1, 1]


async def test_a_copy_that_failed_is_made_again_before_any_run_is_answered_for(
    monkeypatch: pytest.MonkeyPatch, lane: AtLeastOnceLane, producer: _Producer
) -> None:
    monkeypatch.setattr("router.copying.lane._MAX_GROUP", 1)
    monkeypatch.setattr("router.at_least_once.copies.RETRY_S", 0.0)
    [second, third] = await two_groups(lane, producer)
    await eventually(lambda: len(producer.sent) == 3)

    producer.settle(1, failing=True)
    producer.settle(2)
    await eventually(lambda: len(producer.sent) == 4)
    assert producer.sent[3] == (3, [b"b"])
    assert not second.done()
    producer.settle(3)

    assert [(await answer).copies for answer in (second, third)] == [1, 1]


async def test_what_was_put_off_is_answered_for_at_the_end(
    monkeypatch: pytest.MonkeyPatch, lane: AtLeastOnceLane, producer: _Producer
) -> None:
    monkeypatch.setattr("router.copying.lane._MAX_GROUP", 1)
    [second, third] = await two_groups(lane, producer)
    lane._jobs.put(None)
    await eventually(lambda: len(producer.sent) == 3)

    producer.settle(1)
    producer.settle(2)

    assert [(await answer).copies for answer in (second, third)] == [1, 1]


async def test_a_run_whose_probe_failed_is_answered_for_once_its_detour_is_there(
    monkeypatch: pytest.MonkeyPatch, lane: AtLeastOnceLane, producer: _Producer
) -> None:
    """Although more runs wait, which else would be copied first."""
    monkeypatch.setattr("router.copying.lane._MAX_GROUP", 1)
    loop, copy = asyncio.get_running_loop(), Copy("es.sub.webhook.DF2", [("ce_id", b"1")], 0)
    lane._avoided_topics.avoid(copy, 0)
    probed = Job(run_of(b"a"), loop.create_future())
    probed.settled, probed.probe_copies = Settled(1, 1, 0, 0), 1
    source = next(iter(probed.run.batches[0].records()))
    [first] = lane.deliver([run_of(b"b")])
    await eventually(lambda: producer.waited_for == [None])

    back = [ProbeCopy(copy, source, probed, 0, arrived=False)]
    lane._probe_copies.back = lambda: [back.pop()] if back else []  # type: ignore[method-assign]
    others = [lane.deliver([run_of(value)])[0] for value in (b"c", b"d")]
    producer.settle(0)
    await first
    await eventually(lambda: len(producer.waited_for) > 1)
    assert not probed.answer.done()

    for group in range(1, 5):
        producer.settle(group)
    await eventually(probed.answer.done)
    await eventually(lambda: len(producer.sent) >= 4)
    producer.settle(2)
    assert [(await other).copies for other in others] == [1, 1]
