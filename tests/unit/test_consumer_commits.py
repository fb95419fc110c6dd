"""What a consumer makes of Kafka's answer to a commit."""

from dataclasses import dataclass

from confluent_kafka import KafkaError

from eventstreams.kafka.consumer import not_committed
from eventstreams.kafka.records import Partition

REFUSED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
MOVED = KafkaError(KafkaError.NOT_COORDINATOR)


@dataclass
class Answer:
    topic: str
    partition: int
    error: KafkaError | None = None


def test_a_partition_that_kafka_refuses_is_committed_again_and_the_others_are_not() -> None:
    answers = [Answer("a", 0), Answer("a", 1, REFUSED), Answer("b", 0)]

    assert not_committed(None, answers) == {Partition("a", 1): REFUSED}


def test_a_request_that_fails_as_a_whole_is_committed_again_for_each_partition() -> None:
    answers = [Answer("a", 0), Answer("a", 1)]

    assert not_committed(MOVED, answers) == {Partition("a", 0): MOVED, Partition("a", 1): MOVED}


def test_a_commit_that_went_well_is_not_repeated() -> None:
    assert not_committed(None, [Answer("a", 0), Answer("a", 1)]) == {}
