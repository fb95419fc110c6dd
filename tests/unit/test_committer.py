"""Which commits are sent, and what follows from the answers. The client stands in for Kafka's: see tests/kafka."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from eventstreams.kafka.commits import Commit
from eventstreams.kafka.committer import Committer
from eventstreams.kafka.records import Partition
from eventstreams.kafka.refusals import Refusals
from eventstreams.settings import Settings

A, B = Partition("a", 0), Partition("b", 0)
GONE = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
FENCED = KafkaError(KafkaError.ILLEGAL_GENERATION)


DENIED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
SILENT = KafkaError(KafkaError._TIMED_OUT)


@dataclass
class Client:
    """Raises if the commit of any partition fails, as Kafka's does, and does not say of which."""

    sent: list[list[tuple[str, int]]] = field(default_factory=list)
    fails: KafkaError | None = None
    tells: KafkaError | None = None

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> Sequence[TopicPartition]:
        del timeout
        if self.tells:
            raise KafkaException(self.tells)
        return partitions

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> Any:
        self.sent.append([(each.topic, each.offset) for each in offsets])
        if asynchronous:
            return None
        if self.fails:
            raise KafkaException(self.fails)
        return list(offsets)


class Scene:
    def __init__(self) -> None:
        self.ours = {A: 1, B: 1}
        self.confirmed: list[int] = []
        self.again: list[Partition] = []
        self.client = Client()
        self.consumer = cast(Consumer, self.client)
        self.committer = Committer(
            self.ours,
            group="g",
            refusals=Refusals(Settings()),
            confirmed=self.confirmed.append,
            not_committed=self.again.extend,
        )

    def ask(self, number: int, **offsets: int) -> None:
        commits = {Partition(topic, 0): Commit(offset) for topic, offset in offsets.items()}
        self.committer.ask(commits, dict.fromkeys(commits, 1), number)


def test_what_was_lost_or_came_back_since_is_not_committed() -> None:
    scene = Scene()
    scene.ask(1, a=10, b=20)
    scene.ours[A] = 2

    scene.committer.send(scene.consumer)

    assert scene.client.sent == [[("b", 20)]]


def test_what_was_asked_for_during_a_drain_is_sent_at_once_and_only_the_newest() -> None:
    scene = Scene()
    scene.ask(1, a=10, b=20)
    scene.ask(2, a=11)

    scene.committer.send_and_wait(scene.consumer)
    scene.committer.send_and_wait(scene.consumer)

    assert scene.client.sent == [[("a", 11), ("b", 20)]]
    assert scene.confirmed == [2]


def test_what_kafka_refuses_during_a_drain_is_committed_again() -> None:
    scene = Scene()
    scene.client.fails = GONE
    scene.ask(1, a=10)
    scene.committer.send_and_wait(scene.consumer)
    assert (scene.again, scene.confirmed) == ([A], [1])  # it says nothing of the others

    scene.client.fails = FENCED
    scene.ask(2, a=10)
    scene.committer.send_and_wait(scene.consumer)
    assert (scene.again, scene.confirmed) == ([A, A], [1])


def test_a_silent_coordinator_is_sent_no_commit_that_would_wait_for_it_without_end() -> None:
    scene = Scene()
    scene.client.tells = SILENT
    scene.ask(1, a=10)

    scene.committer.send_and_wait(scene.consumer)
    scene.committer.send_last(scene.consumer, {A: Commit(11)})

    assert scene.client.sent == []
    assert (scene.again, scene.confirmed) == ([A], [])


def test_a_topic_that_may_not_be_asked_about_holds_up_no_commit_of_others() -> None:
    scene = Scene()
    scene.client.tells = DENIED
    scene.ask(1, a=10, b=20)

    scene.committer.send_and_wait(scene.consumer)

    assert scene.client.sent == [[("a", 10), ("b", 20)]]


def test_what_was_asked_for_while_the_thread_was_busy_is_one_request() -> None:
    scene = Scene()
    for number in range(1, 100):
        scene.ask(number, a=10 + number, b=20)

    scene.committer.send(scene.consumer)
    assert scene.client.sent == [[("a", 109), ("b", 20)]]

    scene.committer.answered(None, [TopicPartition("a", 0, 109), TopicPartition("b", 0, 20)])
    assert (scene.again, scene.confirmed) == ([], [99])


def test_what_is_confirmed_is_not_committed_once_more_at_the_end_of_the_drain() -> None:
    scene = Scene()
    scene.ask(1, a=10, b=20)
    scene.committer.send_and_wait(scene.consumer)

    scene.committer.send_last(scene.consumer, {A: Commit(10), B: Commit(21)})

    assert scene.client.sent[1:] == [[("b", 21)]]


def test_an_answer_that_comes_after_a_later_one_takes_nothing_back_unseen() -> None:
    scene = Scene()
    scene.ask(1, a=10)
    scene.committer.send(scene.consumer)
    scene.ask(2, a=11)
    scene.committer.send_and_wait(scene.consumer)

    scene.committer.answered(None, [TopicPartition("a", 0, 10)])

    assert scene.again == [A]  # perhaps the client sent it a second time, after the other
    assert scene.confirmed == [2, 2]
