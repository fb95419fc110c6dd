"""Which partitions are sought to wake their brokers' threads, and to where: never anywhere but where they are."""

from collections.abc import Sequence

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from eventstreams.kafka.fetching import fetch_now
from eventstreams.kafka.records import Partition


class Client:
    """Has handed out what ``positions`` say."""

    def __init__(self, positions: dict[Partition, int], *, refuses: Partition | None = None) -> None:
        self._positions = positions
        self._refuses = refuses
        self.sought: list[tuple[Partition, int]] = []

    def position(self, partitions: Sequence[TopicPartition]) -> Sequence[TopicPartition]:
        at = [Partition(each.topic, each.partition) for each in partitions]
        return [TopicPartition(*each, self._positions.get(each, OFFSET_INVALID)) for each in at]

    def seek(self, partition: TopicPartition) -> None:
        at = Partition(partition.topic, partition.partition)
        if at == self._refuses:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.sought.append((at, partition.offset))


def test_a_partition_is_sought_to_where_it_is_and_one_of_which_nothing_was_read_is_not() -> None:
    client = Client({Partition("a", 0): 7, Partition("a", 1): 0})

    fetch_now(client, [Partition("a", 0), Partition("a", 1), Partition("b", 0)])

    assert client.sought == [(Partition("a", 0), 7), (Partition("a", 1), 0)]


def test_a_partition_that_cannot_be_sought_keeps_none_from_it() -> None:
    client = Client({Partition("a", 0): 7, Partition("a", 1): 9}, refuses=Partition("a", 0))

    fetch_now(client, [Partition("a", 0), Partition("a", 1)])

    assert client.sought == [(Partition("a", 1), 9)]


def test_of_very_many_partitions_some_are_enough() -> None:
    client = Client({Partition("a", number): number for number in range(1000)})

    fetch_now(client, [Partition("a", number) for number in range(1000)])

    assert len(client.sought) == 64
