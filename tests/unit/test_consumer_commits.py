"""What a consumer makes of Kafka's answer to a commit."""

from dataclasses import dataclass

from confluent_kafka import KafkaError

from eventstreams.kafka.commits import is_answer, not_committed
from eventstreams.kafka.records import Partition

REFUSED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
MOVED = KafkaError(KafkaError.NOT_COORDINATOR)
GONE = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


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


def test_what_kafka_says_of_one_topic_is_an_answer_and_what_it_says_of_itself_or_the_group_is_none() -> None:
    assert is_answer({})
    assert is_answer({Partition("a", 0): GONE, Partition("b", 0): REFUSED})
    assert not is_answer({Partition("a", 0): GONE, Partition("b", 0): MOVED})
    assert not is_answer({Partition("a", 0): KafkaError(KafkaError.ILLEGAL_GENERATION)})
