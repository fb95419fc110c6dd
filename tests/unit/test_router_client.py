"""Which broker is asked what topics there are."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from eventstreams.settings import Settings
from router.at_least_once.client import Client, client_of


class _Connection:
    def __init__(self, broker: int, *, answers: bool) -> None:
        self.broker, self.answers = broker, answers

    async def send(self, request: Any) -> Any:
        if not self.answers:
            raise KafkaConnectionError
        return SimpleNamespace(brokers=[self.broker], topics=request._topics, auto=request._allow_auto_topic_creation)


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = client_of(Settings.load(kafka="127.0.0.1:1"))
    monkeypatch.setattr(made.cluster, "brokers", lambda: [SimpleNamespace(nodeId=each) for each in range(5)])
    monkeypatch.setattr(made.cluster, "update_metadata", lambda _: None)
    return made


async def test_who_owes_another_answer_is_asked_last(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def connection(broker: int) -> _Connection:
        asked.append(broker)
        return _Connection(broker, answers=broker == 3)

    monkeypatch.setattr(client, "_get_conn", connection)

    answer = await client.describe({"b", "a"}, last={3, 4})

    assert answer is not None
    assert (answer.brokers, answer.topics, answer.auto) == ([3], ["a", "b"], False)
    assert set(asked[:3]) == {0, 1, 2}


async def test_where_nobody_answers_nothing_is_known(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connection(broker: int) -> _Connection | None:
        return _Connection(broker, answers=False) if broker % 2 else None

    monkeypatch.setattr(client, "_get_conn", connection)

    assert await client.describe((), last=()) is None
    assert not await client._metadata_update(client.cluster, set())
