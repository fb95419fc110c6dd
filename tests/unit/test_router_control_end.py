"""Where the control topic ends: an answer, or the word that there is none; never an error that ends the router."""

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError
from aiokafka.protocol.offset import OffsetResponse_v2
from faust.types import TP

from router.faust_app.control_end import catch_up, end_of

CONTROL = TP("es.control", 0)


class Client:
    """Knows ``leader``; brokers answer what ``answer`` returns or raises."""

    def __init__(self, leader: int | None, answer: Callable[[], OffsetResponse_v2]) -> None:
        self.cluster = self
        self.asked: list[tuple[int, int]] = []
        self.looked_for: list[str] = []
        self._leader = leader
        self._answer = answer

    def leader_for_partition(self, partition: TP) -> int | None:
        assert partition == CONTROL
        return self._leader

    def add_topic(self, topic: str) -> None:
        self.looked_for.append(topic)

    def force_metadata_update(self) -> None:
        self.looked_for.append("leaders")

    async def send(self, node: int, _: Any, *, group: int) -> OffsetResponse_v2:
        self.asked.append((node, group))
        return self._answer()


def answered(offset: int, code: int = 0) -> Callable[[], OffsetResponse_v2]:
    return lambda: OffsetResponse_v2(0, [(CONTROL.topic, [(CONTROL.partition, code, -1, offset)])])


def broken() -> OffsetResponse_v2:
    raise KafkaConnectionError


async def test_the_leader_is_asked_on_a_connection_where_nothing_waits_before_the_question() -> None:
    client = Client(3, answered(17))

    assert await end_of(client, CONTROL) == 17

    [(node, group)] = client.asked
    assert node == 3
    assert group not in {int(each) for each in ConnectionGroup}


@pytest.mark.parametrize("leader", [None, -1])
async def test_without_a_leader_one_is_looked_for(leader: int | None) -> None:
    client = Client(leader, broken)

    assert await end_of(client, CONTROL) is None
    assert client.looked_for == [CONTROL.topic]


async def test_what_is_no_leader_any_more_has_the_new_one_looked_for() -> None:
    client = Client(3, answered(-1, NotLeaderForPartitionError.errno))

    assert await end_of(client, CONTROL) is None
    assert client.looked_for == ["leaders"]


async def test_a_broker_that_does_not_answer_is_no_error() -> None:
    assert await end_of(Client(3, broken), CONTROL) is None


class Routes:
    def __init__(self) -> None:
        self.waited_for: list[int | None] = []

    async def catch_up(self) -> None:
        self.waited_for.append(None)

    async def wait_until(self, offset: int) -> None:
        self.waited_for.append(offset)


@pytest.mark.parametrize("end", [17, None])
async def test_routes_are_as_new_as_the_answer_and_ask_by_themselves_where_there_is_none(end: int | None) -> None:
    routes = Routes()

    await catch_up(routes, end)

    assert routes.waited_for == [end]
