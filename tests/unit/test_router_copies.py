"""What the router makes of copies that nothing takes: no topic, not even its dead letters, or no broker any more."""

from collections.abc import Container, Iterator, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError

from eventstreams.headers import DETAIL, ORIGIN, REASON
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from router.at_least_once import copies as module
from router.at_least_once.copies import BatchedCopies
from router.at_least_once.producer import BatchProducer
from router.at_least_once.record_batch import Place, RecordBatch
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import _short
from router.planning.plan import Copy, Planner

pytestmark = pytest.mark.timeout(60)

SETTINGS = Settings.load(kafka="127.0.0.1:1")
TOPIC = Topics(SETTINGS).subscription("webhook", "DF1")
RETRY = Topics(SETTINGS).retry("webhook", SETTINGS.retry_delays[0])
DEAD = "dead"
HEADERS = [("ce_id", b"EZ1"), ("es_subscription", b"DF1")]


class _Source:
    key = b"key"
    value = b"value"


class _Producer:
    """Takes batches, but for those of which ``refuses`` has an error left; they fail.

    ``left`` is what each ``flush`` has left; of the last, ``given_up`` failed.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[Place, list[Any]]] = []
        self.refuses: dict[str, list[int]] = {}
        self.left: Iterator[int] = iter(())
        self.given_up = 0
        self.failed = 0
        self.kept: list[Container[str]] = []
        self.counts = {DEAD: 1}
        self._failed: list[tuple[RecordBatch, KafkaError]] = []

    def send(self, batches: Sequence[RecordBatch]) -> None:
        for batch in batches:
            codes = self.refuses.get(batch.place[0])
            if codes:
                self._failed.append((batch, KafkaError(codes.pop(0))))
                self.failed += batch.records
            else:
                records = [*batch.read()]
                assert len(records) == batch.records
                self.taken.append((batch.place, records))

    def flush(self, _: float, group: int | None = None) -> int:
        left = next(self.left, 0)
        if not left:
            self.failed += self.given_up
        return left

    def take_failed(self) -> Sequence[tuple[RecordBatch, KafkaError]]:
        failed, self._failed, self.failed = self._failed, [], 0
        return failed

    def answered(self, _: float) -> bool:
        return True

    def partitions(self, topic: str, _: float) -> int:
        return self.counts.get(topic, 0)

    def keep(self, wanted: Container[str]) -> None:
        self.kept.append(wanted)


class _Scene:
    def __init__(self, *, gone: Container[str] = ()) -> None:
        self.producer = _Producer()
        self.avoided_topics = AvoidedTopics(SETTINGS, tell=lambda _: None, wanted=set)
        self.wanted = {TOPIC}
        self.copies = BatchedCopies(
            cast(Planner, self),
            dead_topic=DEAD,
            restore=lambda topics: {topic for topic in topics if topic in gone},
            avoided_topics=self.avoided_topics,
            turned=lambda: None,
            producer=cast(BatchProducer, self.producer),
        )

    def topics(self) -> set[str]:
        return self.wanted

    def make(self, topic: str = TOPIC, *, partition: int = 0) -> None:
        self.copies.make(Copy(topic, HEADERS, partition), _Source())


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)


def test_a_header_without_a_value_stops_no_partition() -> None:
    """Kafka lets a header have none, and aiokafka hands it out."""
    headers = [("ce_id", b"EZ1"), ("ce_subject", cast(bytes, None)), ("x-ours", cast(bytes, None))]

    assert _short(headers) == [("ce_id", b"EZ1"), ("ce_subject", b"")]


def test_a_copy_is_what_it_was_made_of() -> None:
    scene = _Scene()
    scene.make()

    scene.copies.settle()

    [((topic, partition), [record])] = scene.producer.taken
    assert (topic, partition, record.key, record.value, record.headers) == (TOPIC, 0, b"key", b"value", HEADERS)


@pytest.mark.parametrize(
    ("left", "given_up", "turns"),
    [
        pytest.param([5, 3, 3, 2, 0], 0, 3, id="acknowledged bit by bit"),
        pytest.param([5, 5, 5, 0], 5, 0, id="given up"),
        pytest.param([5, 5, 5, 0], 4, 1, id="all but one given up"),
    ],
)
def test_a_flush_that_takes_its_time_tells_that_it_goes_on(left: Sequence[int], given_up: int, turns: int) -> None:
    scene = _Scene()
    scene.producer.left, scene.producer.given_up = iter(left), given_up

    scene.copies._flush()

    assert scene.copies.turns == turns


def test_copies_whose_topic_is_gone_are_told() -> None:
    scene = _Scene(gone={"gone 1", "gone 2"})
    for topic in ("gone 1", "gone 2", TOPIC):
        scene.producer.refuses[topic] = [KafkaError.UNKNOWN_TOPIC_OR_PART]
        scene.make(topic)

    scene.copies.settle()

    assert scene.copies.dropped == 2
    assert [place for place, _ in scene.producer.taken] == [(TOPIC, 0)], "the other is made again"


def test_a_topic_that_takes_nothing_is_avoided_and_its_copies_take_a_retry_topic() -> None:
    scene = _Scene()
    scene.producer.refuses[TOPIC] = [KafkaError.NOT_ENOUGH_REPLICAS] * 3
    scene.make()

    scene.copies.settle()

    assert [*scene.avoided_topics.avoided] == [TOPIC]
    [((topic, _), [record])] = scene.producer.taken
    assert topic == RETRY
    assert record.headers[:2] == HEADERS
    assert dict(record.headers)[ORIGIN] == TOPIC.encode()


def test_a_retry_topic_that_takes_nothing_either_leads_home() -> None:
    """What failed there is read from its batch: it is still on its way around the same topic."""
    scene = _Scene()
    scene.producer.counts[TOPIC] = 1
    scene.producer.refuses = {
        TOPIC: [KafkaError.NOT_ENOUGH_REPLICAS] * 3,
        RETRY: [KafkaError.NOT_ENOUGH_REPLICAS] * 3 * SETTINGS.retry_partitions,
    }
    scene.make()

    scene.copies.settle()

    [((topic, _), [record])] = scene.producer.taken
    assert (topic, record.headers) == (TOPIC, HEADERS)


def test_what_no_broker_will_ever_take_is_a_dead_letter_and_told() -> None:
    scene = _Scene()
    scene.producer.refuses[TOPIC] = [KafkaError.MSG_SIZE_TOO_LARGE]
    scene.make()

    scene.copies.settle()

    [((topic, _), [record])] = scene.producer.taken
    assert topic == DEAD
    headers = dict(record.headers)
    assert (headers[REASON], headers[ORIGIN]) == (b"too_large", TOPIC.encode())
    assert DETAIL in headers
    assert scene.copies.dropped == 1


def test_what_not_even_the_dead_letters_take_is_told_by_its_headers() -> None:
    scene = _Scene()
    scene.producer.refuses = {TOPIC: [KafkaError.MSG_SIZE_TOO_LARGE], DEAD: [KafkaError.MSG_SIZE_TOO_LARGE]}
    scene.make()

    scene.copies.settle()

    [((topic, _), [record])] = scene.producer.taken
    assert (topic, record.value, dict(record.headers)["ce_id"]) == (DEAD, None, b"EZ1")


def test_a_dead_letter_waits_until_its_topic_is_there() -> None:
    scene = _Scene()
    asked = iter([0, 0, 1])
    scene.producer.partitions = lambda *_: next(asked)  # type: ignore[method-assign]
    scene.make(DEAD, partition=-1)

    scene.copies.settle()

    assert [place for place, _ in scene.producer.taken] == [(DEAD, 0)]


def test_more_than_there_is_room_for_is_sent_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM_BYTES", 3_000)
    scene = _Scene()
    for _ in range(20):
        scene.make()
    assert scene.producer.taken

    scene.copies.settle()

    sizes = [len(records) for _, records in scene.producer.taken]
    assert sum(sizes) == 20
    assert max(sizes) <= 3_000 // module.HEADERS_BYTES + 1


def test_a_full_batch_is_sent_and_the_next_one_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 1_000)
    scene = _Scene()
    for _ in range(50):
        scene.make()
    assert len(scene.producer.taken) > 1

    scene.copies.settle()

    records = [record for _, each in scene.producer.taken for record in each]
    assert [record.value for record in records] == [b"value"] * 50
    assert max(sum(len(record.value) for record in each) for _, each in scene.producer.taken) < 1_000


def test_topics_that_nobody_wants_any_more_are_forgotten_once_nothing_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_TOPICS", 1)
    scene = _Scene()
    scene.copies._kept = 1
    for topic in ("a", "b", TOPIC):
        scene.make(topic)
    assert scene.producer.kept == []

    scene.copies.settle()

    assert (scene.copies.topics, scene.producer.kept) == (1, [{TOPIC}])
