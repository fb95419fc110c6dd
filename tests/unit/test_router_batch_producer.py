"""What is sent to brokers, in what order, and what is made of each of their answers. Kafka itself: tests/kafka."""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import DefaultRecordBatch
from confluent_kafka import KafkaError

from eventstreams.errors import FatalProducerError
from eventstreams.settings import Settings
from router.at_least_once import connection
from router.at_least_once import producer as module
from router.at_least_once.client import _ANSWER_MS
from router.at_least_once.partition_queue import PartitionQueue
from router.at_least_once.produce_request import Produce
from router.at_least_once.producer import _REQUESTS, BatchProducer, _share
from router.at_least_once.record_batch import Identity, Place, RecordBatch

pytestmark = pytest.mark.timeout(60)

PATIENCE_S = 30.0
BAD = b"too large"
Sent = tuple[Place, Identity, list[bytes]]


@dataclass
class Brokers:
    """Brokers as the client shows them: who leads what, and what they say to requests.

    Attributes:
        leaders: Of each topic, of each of its partitions; -1: none.
        answer: To a batch, its error code; None: its connection breaks.
        requests: The batches of each one, and to which broker.
        held: Requests are answered while it is set.
    """

    leaders: dict[str, list[int]]
    answer: Callable[[Sent], int | None] = lambda _: 0
    id_code: int = 0
    requests: list[tuple[int, list[Sent]]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    asked: list[set[str]] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=count)
    reachable: bool = True

    def __post_init__(self) -> None:
        self.held.set()

    async def bootstrap(self) -> None:
        if not self.reachable:
            raise KafkaConnectionError("nobody is there")

    async def close(self) -> None: ...

    def get_random_node(self) -> int:
        return 0

    async def describe(self, topics: Collection[str], *, last: Container[int]) -> Any:
        self.asked.append(set(topics))
        found = [
            (0, topic, False, [(0, number, leader) for number, leader in enumerate(self.leaders[topic])])
            if topic in self.leaders
            else (KafkaError.UNKNOWN_TOPIC_OR_PART, topic, False, [])
            for topic in topics
        ]
        return SimpleNamespace(topics=found)

    async def send(self, broker: int, request: Any) -> Any:
        if not isinstance(request, Produce):
            return SimpleNamespace(error_code=self.id_code, producer_id=next(self.ids), producer_epoch=0)
        sent = [
            _sent((topic, partition), bytes(raw))
            for topic, partitions in request.batches.items()
            for partition, raw in partitions
        ]
        self.requests.append((broker, sent))
        while not self.held.is_set():
            await asyncio.sleep(0.01)
        codes = [(each[0], self.answer(each)) for each in sent]
        if any(code is None for _, code in codes):
            raise KafkaConnectionError("cut")
        return SimpleNamespace(codes=dict(codes))

    @property
    def sent(self) -> list[Sent]:
        return [each for _, batches in self.requests for each in batches]


def _sent(place: Place, raw: bytes) -> Sent:
    batch = DefaultRecordBatch(raw)
    assert batch.validate_crc()
    identity = Identity(batch.producer_id, batch.producer_epoch, batch.base_sequence)
    return place, identity, [record.value or b"" for record in batch]


@dataclass
class Scene:
    brokers: Brokers
    producer: BatchProducer

    def send(self, *batches: tuple[Place, Sequence[bytes]]) -> None:
        self.producer.send([batch_of(place, values) for place, values in batches])

    def settle(self) -> list[tuple[list[bytes], int]]:
        """What failed, and with which code."""
        assert self.producer.flush(PATIENCE_S) == 0
        return [
            ([record.value or b"" for record in batch.read()], error.code())
            for batch, error in self.producer.take_failed()
        ]


def batch_of(place: Place, values: Sequence[bytes]) -> RecordBatch:
    batch = RecordBatch(place)
    for value in values:
        batch.add_record(b"key", value, [("ce_id", b"EZ1")])
    return batch


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    brokers = Brokers({"one": [1], "two": [1, 2], "three": [1]})
    monkeypatch.setattr(connection, "client_of", lambda _: brokers)
    monkeypatch.setattr(module, "_RESTS_S", (0.001, 0.01))
    scene = Scene(brokers, BatchProducer(Settings.load(kafka="127.0.0.1:1")))
    yield scene
    brokers.held.set()
    scene.producer.close()


def answers(codes: Mapping[Place, Sequence[int | None]]) -> Callable[[Sent], int | None]:
    """Of each place the next of its ``codes`` for each batch, then 0."""
    left = {place: iter(each) for place, each in codes.items()}
    return lambda sent: next(left.get(sent[0], iter(())), 0)


def test_what_one_broker_leads_is_one_request(scene: Scene) -> None:
    scene.send((("one", 0), [b"a"]), (("two", 0), [b"b", b"c"]), (("two", 1), [b"d"]), (("three", 0), [b"e"]))

    assert scene.settle() == []

    requests = {broker: [(place, values) for place, _, values in sent] for broker, sent in scene.brokers.requests}
    assert requests == {
        1: [(("one", 0), [b"a"]), (("two", 0), [b"b", b"c"]), (("three", 0), [b"e"])],
        2: [(("two", 1), [b"d"])],
    }
    assert len(scene.brokers.requests) == 2
    assert scene.brokers.asked == [{"one", "two", "three"}], "once for all"


def test_batches_of_a_partition_go_one_after_the_other_and_numbered(scene: Scene) -> None:
    scene.send((("one", 0), [b"a", b"b"]), (("one", 0), [b"c"]))
    scene.send((("one", 0), [b"d"]))

    assert scene.settle() == []

    assert [values for _, _, values in scene.brokers.sent] == [[b"a", b"b"], [b"c"], [b"d"]]
    assert [identity.sequence for _, identity, _ in scene.brokers.sent] == [0, 2, 3]
    assert len(scene.brokers.requests) == 3


def test_a_batch_whose_answer_was_lost_is_sent_as_it_was(scene: Scene) -> None:
    scene.brokers.answer = answers({("one", 0): [None]})
    scene.send((("one", 0), [b"a"]), (("three", 0), [b"b"]), (("one", 0), [b"c"]))

    assert scene.settle() == []

    first = [each for each in scene.brokers.sent if each[0] == ("one", 0)]
    assert first == [(("one", 0), (0, 0, 0), [b"a"]), (("one", 0), (0, 0, 0), [b"a"]), (("one", 0), (0, 0, 1), [b"c"])]
    assert set().union(*scene.brokers.asked[1:]) == {"one", "three"}, "who leads them is asked for again"


def test_a_batch_that_a_broker_has_already_is_there(scene: Scene) -> None:
    scene.brokers.answer = answers({("one", 0): [KafkaError.DUPLICATE_SEQUENCE_NUMBER]})
    scene.send((("one", 0), [b"a"]))

    assert scene.settle() == []

    assert len(scene.brokers.sent) == 1


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
    ],
)
def test_who_leads_now_gets_it(scene: Scene, code: int) -> None:
    def answer(sent: Sent) -> int:
        scene.brokers.leaders["one"] = [2]
        return code if scene.brokers.requests[-1][0] == 1 else 0

    scene.brokers.answer = answer
    scene.send((("one", 0), [b"a"]))

    assert scene.settle() == []

    assert [broker for broker, _ in scene.brokers.requests] == [1, 2]


@pytest.mark.parametrize("code", [KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.REQUEST_TIMED_OUT])
def test_what_a_broker_may_take_in_a_moment_is_sent_until_it_does(scene: Scene, code: int) -> None:
    scene.brokers.answer = answers({("one", 0): [code] * 5})
    scene.send((("one", 0), [b"a"]), (("three", 0), [b"b"]))

    assert scene.settle() == []

    assert len([each for each in scene.brokers.sent if each[0] == ("one", 0)]) == 6
    assert len({identity for place, identity, _ in scene.brokers.sent if place == ("one", 0)}) == 1


@pytest.mark.parametrize(
    "code",
    [KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID, KafkaError.INVALID_PRODUCER_EPOCH],
)
def test_who_is_not_known_any_more_begins_anew_under_another_id(scene: Scene, code: int) -> None:
    scene.brokers.answer = answers({("one", 0): [0, code]})
    scene.send((("one", 0), [b"a"]), (("three", 0), [b"c"]))
    assert scene.settle() == []
    scene.send((("one", 0), [b"b"]), (("three", 0), [b"d"]))
    assert scene.settle() == []

    one = [identity for place, identity, _ in scene.brokers.sent if place == ("one", 0)]
    three = [identity for place, identity, _ in scene.brokers.sent if place == ("three", 0)]
    assert one == [(0, 0, 0), (0, 0, 1), (1, 0, 0)]
    assert three == [(0, 0, 0), (0, 0, 1)]


def test_who_is_never_known_gives_the_batch_up(scene: Scene) -> None:
    scene.brokers.answer = lambda _: KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    scene.send((("one", 0), [b"a"]))

    assert scene.settle() == [([b"a"], KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)]


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD])
def test_only_the_record_that_no_broker_takes_is_not_taken(scene: Scene, code: int) -> None:
    scene.brokers.answer = lambda sent: code if BAD in sent[2] else 0
    scene.send((("one", 0), [b"a", b"b", BAD, b"c", b"d"]), (("one", 0), [b"e"]))

    assert scene.settle() == [([BAD], code)]

    taken = [value for _, _, values in scene.brokers.sent if BAD not in values for value in values]
    assert taken == [b"a", b"b", b"c", b"d", b"e"], "each once, in order"
    numbers = [
        (identity.producer_id, identity.sequence + each)
        for _, identity, values in scene.brokers.sent
        for each in range(len(values))
    ]
    assert len(set(numbers)) == len(numbers), "a broker would take one for another"


@pytest.mark.parametrize(
    "place", [pytest.param(("none", 0), id="the topic"), pytest.param(("two", 2), id="the partition")]
)
def test_what_is_not_there_fails_after_a_while_and_holds_up_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    monkeypatch.setattr(module, "_MISSING_S", 0.3)
    scene.send((place, [b"a"]), (place, [b"b"]), (("one", 0), [b"c"]))

    failed = scene.settle()

    assert failed == [([b"a"], KafkaError.UNKNOWN_TOPIC_OR_PART), ([b"b"], KafkaError.UNKNOWN_TOPIC_OR_PART)]
    assert [values for _, _, values in scene.brokers.sent] == [[b"c"]]


def test_a_topic_that_is_new_is_waited_for(scene: Scene) -> None:
    scene.send((("new", 0), [b"a"]))
    while len(scene.brokers.asked) < 3:
        time.sleep(0.01)
    scene.brokers.leaders["new"] = [2]

    assert scene.settle() == []

    assert scene.brokers.sent == [(("new", 0), (0, 0, 0), [b"a"])]


def test_what_a_broker_refuses_for_good_fails(scene: Scene) -> None:
    scene.brokers.answer = answers({("one", 0): [KafkaError.TOPIC_AUTHORIZATION_FAILED]})
    scene.send((("one", 0), [b"a"]), (("one", 0), [b"b"]))

    assert scene.settle() == [([b"a"], KafkaError.TOPIC_AUTHORIZATION_FAILED)]

    assert [values for _, _, values in scene.brokers.sent] == [[b"a"], [b"b"]]


def test_what_is_given_back_fails_but_not_what_is_under_way(scene: Scene) -> None:
    scene.brokers.leaders["two"] = [-1]
    scene.brokers.held.clear()
    scene.send((("one", 0), [b"a"]), (("two", 0), [b"b", b"c"]), (("two", 0), [b"d"]))
    while not scene.brokers.requests:
        time.sleep(0.01)
    assert scene.producer.flush(0.01) == 4

    scene.producer.give_back()
    while scene.producer.failed < 3:
        time.sleep(0.01)
    assert scene.producer.flush(0.01) == 1
    scene.brokers.held.set()

    purged = KafkaError._PURGE_QUEUE
    assert scene.settle() == [([b"b", b"c"], purged), ([b"d"], purged)]
    scene.brokers.leaders["two"] = [1]
    scene.send((("two", 0), [b"b", b"c"]))
    assert scene.settle() == [], "and can be sent again"


def test_who_may_not_send_is_told_each_time(scene: Scene) -> None:
    scene.brokers.id_code = KafkaError.CLUSTER_AUTHORIZATION_FAILED
    scene.send((("one", 0), [b"a"]))

    for _ in range(2):
        with pytest.raises(FatalProducerError, match=r"does not assign this router a producer id: .*[Aa]uthorization"):
            scene.producer.flush(PATIENCE_S)


def test_while_no_broker_is_reached_all_waits(scene: Scene) -> None:
    scene.brokers.reachable = False
    scene.send((("one", 0), [b"a"]))

    assert not scene.producer.answered(0.1)
    assert scene.producer.partitions("one", 0.1) == 0
    assert scene.producer.flush(0.1) == 1

    scene.brokers.reachable = True
    assert scene.settle() == []
    assert scene.producer.answered(PATIENCE_S)
    assert (scene.producer.partitions("two", 1.0), scene.producer.partitions("none", 1.0)) == (2, 0)


def test_a_request_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REQUEST_BYTES", 2_000)
    scene.brokers.leaders = {f"topic {number}": [1] for number in range(6)}
    scene.send(*(((f"topic {number}", 0), [b"v" * 1_500]) for number in range(6)))

    assert scene.settle() == []

    assert [len(sent) for _, sent in scene.brokers.requests] == [2, 2, 2]


@pytest.mark.parametrize(
    ("sizes", "requests", "share"),
    [
        pytest.param([100], 2, 1, id="one batch"),
        pytest.param([100, 200, 100], 2, 3, id="small ones stay together"),
        pytest.param([600, 600, 600, 600], 2, 2, id="half"),
        pytest.param([600, 600, 600, 600], 1, 4, id="the other request is under way"),
        pytest.param([600] * 5, 2, 3, id="an odd one"),
        pytest.param([5_000, 5_000, 5_000], 2, 1, id="no more than may be"),
        pytest.param([1_900, 1_900, 1_900, 100, 100], 1, 2, id="no more than may be in one"),
        pytest.param([], 2, 0, id="nothing"),
    ],
)
def test_a_request_takes_its_share(
    sizes: list[int], requests: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHARED_BYTES", 500)
    monkeypatch.setattr(module, "_REQUEST_BYTES", 2_000)
    queues = []
    for size in sizes:
        batch = batch_of(("one", 0), [])
        batch.size = size
        queues.append(PartitionQueue(batch.place))
        queues[-1].add(batch)

    assert _share(queues, requests) == queues[:share]


def test_a_broker_has_two_requests_at_a_time_and_no_partition_that_it_does_not_know_is_in_both(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHARED_BYTES", 1_000)
    scene.brokers.leaders = {f"topic {number}": [1] for number in range(4)}
    scene.brokers.held.clear()
    for turn in range(3):
        scene.send(*(((f"topic {number}", 0), [b"%d" % turn, b"v" * 1_000]) for number in range(4)))
    assert scene.producer.flush(0.2) == 24
    under_way = [[place for place, *_ in sent] for _, sent in scene.brokers.requests]

    scene.brokers.held.set()

    assert scene.settle() == []
    assert under_way == [[("topic 0", 0), ("topic 1", 0)], [("topic 2", 0), ("topic 3", 0)]]
    for number in range(4):
        mine = [
            (identity.sequence, values[0])
            for (topic, _), identity, values in scene.brokers.sent
            if topic[-1] == str(number)
        ]
        assert mine == [(0, b"0"), (2, b"1"), (4, b"2")]


def test_two_batches_of_a_partition_are_in_flight_once_one_was_accepted(scene: Scene) -> None:
    scene.brokers.held.clear()
    scene.send(*((("one", 0), [b"%d" % number]) for number in range(4)))
    assert scene.producer.flush(0.2) == 4
    at_first = [values for _, _, values in scene.brokers.sent]
    scene.brokers.held.set()
    assert scene.settle() == []
    scene.brokers.held.clear()
    scene.send(*((("one", 0), [b"%d" % number]) for number in range(4, 8)))
    assert scene.producer.flush(0.2) == 4
    then = [values for _, _, values in scene.brokers.sent[4:]]
    scene.brokers.held.set()

    assert scene.settle() == []
    assert at_first == [[b"0"]]
    assert then == [[b"4"], [b"5"]]
    assert [identity.sequence for _, identity, _ in scene.brokers.sent] == [*range(8)]


def test_a_batch_waits_for_the_one_before_it_that_another_broker_has(scene: Scene) -> None:
    scene.brokers.leaders["two"] = [1, -1]  # while the second partition has no leader, metadata is requested
    scene.send((("two", 0), [b"a"]))
    assert scene.settle() == []
    scene.brokers.held.clear()
    scene.send((("two", 0), [b"b"]), (("two", 1), [b"x"]))
    while len(scene.brokers.requests) < 2:
        time.sleep(0.01)
    scene.brokers.leaders["two"] = [2, -1]
    asked = len(scene.brokers.asked)
    while len(scene.brokers.asked) < asked + 2:
        time.sleep(0.01)
    scene.send((("two", 0), [b"c"]))
    assert scene.producer.flush(0.2) == 3
    at_first = [(broker, values) for broker, sent in scene.brokers.requests for _, _, values in sent]
    scene.brokers.leaders["two"] = [2, 1]
    scene.brokers.held.set()

    assert scene.settle() == []
    assert at_first == [(1, [b"a"]), (1, [b"b"])]
    assert [broker for broker, sent in scene.brokers.requests if sent[0][2] == [b"c"]] == [2]


def test_a_request_that_follows_another_does_not_go_before_one_made_earlier(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response comes just when a request with a batch of "one" was made: the one after it must not overtake it."""
    scene.send((("one", 0), [b"0"]))
    assert scene.settle() == []
    respond = scene.brokers.send

    async def send(broker: int, request: Any) -> Any:
        answer = await respond(broker, request)
        if ("three", 0) in answer.codes:
            scene.producer.send([batch_of(("one", 0), [b"%d" % number]) for number in (1, 2)])
            await asyncio.sleep(0)  # the batches are queued
            await asyncio.sleep(0)  # a request is made
        return answer

    monkeypatch.setattr(scene.brokers, "send", send)
    scene.send((("three", 0), [b"last"]))

    assert scene.settle() == []
    assert scene.settle() == []
    one = [(identity, values) for place, identity, values in scene.brokers.sent if place == ("one", 0)]
    assert one == [((0, 0, number), [b"%d" % number]) for number in range(3)]


def test_who_waits_for_a_producer_id_holds_up_nobody_else(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHARED_BYTES", 100)
    scene.send((("one", 0), [b"a"]), (("three", 0), [b"b"]))
    assert scene.settle() == []
    scene.brokers.id_code = KafkaError.COORDINATOR_LOAD_IN_PROGRESS
    scene.brokers.answer = answers({("one", 0): [KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER]})
    scene.send((("one", 0), [b"v" * 1_000]))
    assert scene.producer.flush(0.2) == 1
    other = batch_of(("three", 0), [b"c"])
    other.group = 1

    scene.producer.send([other])

    assert scene.producer.flush(PATIENCE_S, 1) == 0
    assert scene.producer.flush(0.01) == 1
    scene.brokers.id_code = 0
    assert scene.settle() == []


def test_topics_that_nobody_wants_are_forgotten(scene: Scene) -> None:
    scene.send((("one", 0), [b"a"]), (("three", 0), [b"b"]))
    assert scene.settle() == []

    scene.producer.keep({"one"})
    scene.send((("one", 0), [b"c"]), (("three", 0), [b"d"]))
    assert scene.settle() == []

    assert scene.brokers.asked == [{"one", "three"}, {"three"}]
    three = [identity for place, identity, _ in scene.brokers.sent if place == ("three", 0)]
    assert three == [(0, 0, 0), (1, 0, 0)], "numbered anew under another id: what was sent there is forgotten"


def test_an_error_of_our_own_does_not_pass_unseen(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.producer, "_dispatch", lambda: 1 / 0)
    scene.send((("one", 0), [b"a"]))

    with pytest.raises(FatalProducerError, match="division"):
        scene.producer.flush(PATIENCE_S)


def test_a_group_is_settled_while_the_next_one_is_under_way(scene: Scene) -> None:
    scene.brokers.answer = lambda sent: 0
    first, second = batch_of(("one", 0), [b"a"]), batch_of(("two", 1), [b"b"])
    second.group = 1
    scene.producer.send([first])
    assert scene.producer.flush(PATIENCE_S, 0) == 0
    scene.brokers.held.clear()
    scene.producer.send([second])

    assert scene.producer.flush(PATIENCE_S, 0) == 0
    assert (scene.producer.flush(0.01, 1), scene.producer.flush(0.01)) == (1, 1)

    scene.brokers.held.set()
    assert scene.producer.flush(PATIENCE_S) == 0


def test_all_that_waits_for_a_topic_that_is_gone_fails_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MISSING_S", 1.0)
    scene.send(*((("none", 0), [b"%d" % number]) for number in range(60)))
    began = time.monotonic()

    assert len(scene.settle()) == 60

    assert time.monotonic() - began < 30, "not a second for each"


def test_brokers_say_which_partitions_lag_before_the_client_gives_them_up() -> None:
    assert _REQUESTS * module._ACKS_MS < _ANSWER_MS, "the second waits behind the first"
