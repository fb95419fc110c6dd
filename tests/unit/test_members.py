"""Who is in a group, and the names of those that have one."""

import struct
from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError, KafkaException

from eventstreams.kafka.members import Group, Member, find_group, name_in
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings

UUID = "17a34007-1375-4aa9-830c-f238bafcf24a"


@dataclass
class Told:
    """What Kafka's client tells of a group or a member."""

    id: str
    assignment: bytes = b""
    state: str = "Stable"
    error: KafkaError | None = None
    members: list["Told"] = field(default_factory=list)


class Client:
    """Stands for Kafka's, which ``tests/kafka/test_whole_group.py`` asks."""

    def __init__(self, *groups: Told, gone_for: int = 0) -> None:
        self.groups = groups
        self.gone_for = gone_for  # lists of topics, until which it counts on a broker that is gone
        self.lists = 0

    def list_topics(self, *, timeout: float) -> None:
        assert timeout > 0
        self.lists += 1

    def list_groups(self, group: str, *, timeout: float) -> list[Told]:
        assert timeout > 0
        if self.lists < self.gone_for:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return [each for each in self.groups if each.id == group]


def assignment(shares: dict[str, list[int]], *, version: int = 0) -> bytes:
    body = struct.pack(">hi", version, len(shares))
    for topic, numbers in shares.items():
        body += struct.pack(f">h{len(topic)}si{len(numbers)}i", len(topic), topic.encode(), len(numbers), *numbers)
    return body + struct.pack(">i", 0)


@pytest.mark.parametrize(
    ("shares", "share"),
    [
        ({"t": [0, 1, 2]}, {Partition("t", 0), Partition("t", 1), Partition("t", 2)}),
        ({"es.one": [7], "u": [], "es.two": [0, 300]}, {("es.one", 7), ("es.two", 0), ("es.two", 300)}),
        ({}, set()),
    ],
)
def test_a_group_is_told_with_the_shares_of_its_members(shares: dict[str, list[int]], share: set[Partition]) -> None:
    members = [Told(f"g-pod-0-{UUID}", assignment(shares, version=3)), Told(f"rdkafka-{UUID}")]

    found = find_group(Client(Told("g", members=members)), "g")  # type: ignore[arg-type]  # as much as is asked

    assert found == Group(
        is_stable=True,
        members=(Member(f"g-pod-0-{UUID}", frozenset(share)), Member(f"rdkafka-{UUID}", frozenset())),
    )
    assert [each.name_in("g") for each in found.members] == ["g-pod-0", None]


def test_a_group_in_a_rebalance_is_not_stable_and_one_that_is_unknown_is_empty() -> None:
    client = Client(Told("g", state="PreparingRebalance"))

    assert find_group(client, "g") == find_group(client, "h") == Group(is_stable=False, members=())  # type: ignore[arg-type]


def test_of_a_cluster_that_has_lost_a_broker_it_is_told_as_well() -> None:
    assert find_group(Client(Told("g"), gone_for=1), "g").is_stable  # type: ignore[arg-type]
    with pytest.raises(KafkaException):
        find_group(Client(Told("g"), gone_for=2), "g")  # type: ignore[arg-type]


def test_what_kafka_refuses_to_tell_is_no_empty_group() -> None:
    refused = Told("g", error=KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))

    with pytest.raises(KafkaException):
        find_group(Client(refused), "g")  # type: ignore[arg-type]


def test_a_name_is_one_of_the_group() -> None:
    assert name_in("es.router", Settings.load(instance="pod-0")) == "es.router-pod-0"
    assert name_in("es.router", Settings.load(instance=None)) is None
