"""Many topics are shared among several clients; each topic keeps its own, and a flush is of all of them."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, Message, Producer

from eventstreams.settings import Settings
from router.copying import producers
from router.copying.producers import Producers


class Client:
    """A producer that has nothing but its settings, and copies that it never gets rid of."""

    made: list["Client"]

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.left = len(self.made) + 1
        self.purged = 0
        self.made.append(self)

    def produce(self) -> None: ...

    def flush(self, timeout_s: float) -> int:
        assert timeout_s == 1.0
        return self.left

    def purge(self, **_: bool) -> None:
        self.purged += 1


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    monkeypatch.setattr(producers, "Producer", Client)
    monkeypatch.setattr(producers, "_TOPICS", 2)
    monkeypatch.setattr(producers, "_MOST_PRODUCERS", 3)
    Client.made = []
    return Client.made


def test_a_client_is_opened_for_each_so_many_topics_and_a_topic_keeps_its_own(clients: list[Client]) -> None:
    to = Producers(Settings())
    names = [f"topic{number}" for number in range(7)]

    found = [to[name] for name in names]

    assert [each.produce for each in clients] == [found[0], found[2], found[4]]
    assert found[6] == found[0], "beyond the most clients, they are shared in turn"
    assert [to[name] for name in names] == found


def test_few_topics_take_one_client(clients: list[Client]) -> None:
    to = Producers(Settings())

    assert to["one"] == to["two"] == clients[0].produce
    assert len(clients) == 1


def test_a_flush_tells_what_is_left_in_all_clients(clients: list[Client]) -> None:
    to = Producers(Settings())
    assert to.flush(1.0) == 1

    for number in range(6):
        assert to[f"topic{number}"] is not None
    to.give_back()

    assert to.flush(1.0) == 1 + 2 + 3
    assert [each.purged for each in clients] == [1, 1, 1]


def test_further_clients_have_smaller_buffers(clients: list[Client]) -> None:
    to = Producers(Settings())
    for number in range(6):
        assert to[f"topic{number}"] is not None

    assert [each.config["queue.buffering.max.messages"] for each in clients] == [100_000, 12_500, 12_500]
    assert [each.config["queue.buffering.max.kbytes"] for each in clients] == [131_072, 16_384, 16_384]


def test_topics_that_are_gone_do_not_count_and_a_client_that_is_for_none_is_closed(clients: list[Client]) -> None:
    to = Producers(Settings())
    for number in range(6):
        assert to[f"topic{number}"] is not None
    assert to.are_many

    to.keep({"topic0", "topic4", "another"})

    assert (sorted(to), to.are_many) == (["topic0", "topic4"], False)
    assert to.flush(1.0) == 1 + 3, "the second is closed"
    assert to["topic4"] == clients[2].produce, "what is kept keeps its client"


def test_new_topics_take_the_place_of_those_that_are_gone(clients: list[Client]) -> None:
    to = Producers(Settings())
    for number in range(100):
        assert to[f"topic{number}"] is not None
        if to.are_many:
            to.keep({f"topic{number}"})

    assert len(to) <= 2 * 2
    assert len(clients) < 100
    assert to.flush(1.0) <= sum(each.left for each in clients[-2:]) + clients[0].left


def test_a_client_that_has_room_takes_the_next_topic(clients: list[Client]) -> None:
    to = Producers(Settings())
    for number in range(6):
        assert to[f"topic{number}"] is not None

    to.keep({"topic0", "topic1", "topic2", "topic4", "topic5"})

    assert to["next"] == clients[1].produce
    assert len(clients) == 3


@pytest.mark.timeout(60)
def test_what_a_copy_is_made_of_has_the_places_that_the_lane_gives_it() -> None:
    """The client documents its arguments by name, and has one more place than it names: ``callback``."""
    producer, told = Producer({"bootstrap.servers": "127.0.0.1:1"}), list[tuple[Any, Message]]()
    headers: list[tuple[str, str | bytes | None]] = [("ce_id", b"EZ1"), ("es_subscription", b"DF1")]

    producer.produce("topic", b"value", b"key", 3, lambda *each: told.append(each), None, 0, headers)
    producer.purge(in_queue=True, blocking=True)
    producer.flush(10)

    [(error, message)] = told
    assert error.code() == KafkaError._PURGE_QUEUE
    assert (message.topic(), message.value(), message.key(), message.partition()) == ("topic", b"value", b"key", 3)
    with pytest.raises(TypeError, match="headers"):  # which a report does not tell, nor the time
        producer.produce("topic", b"value", b"key", 3, None, None, 0, cast(Any, "no headers"))
