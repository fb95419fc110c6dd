"""Waits of a router that copies in transactions, for a Kafka that does not answer: each has an end."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from eventstreams.errors import FatalProducerError
from eventstreams.settings import Settings
from router.copying.avoided_topics import AvoidedTopics
from router.exactly_once import copies as transactional_copies
from router.exactly_once import transactions
from router.exactly_once.copies import TransactionalCopies
from router.exactly_once.transactions import Seat, SpoiltError, Transactions

SEAT = Seat("es.router", 1, "member", None)
OFFSETS = [TopicPartition("events", 0, 7)]


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Set once nobody waits any more: its threads end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (transactions, "_TURN_S"),
        (transactions, "_GRACE_S"),
        (transactions, "_OFFSETS_S"),
        (transactions, "TRANSACTION_S"),
        (transactional_copies, "TRANSACTION_S"),
    ):
        monkeypatch.setattr(module, name, 0.02)


def opened(turns: list[None], **calls: Any) -> Transactions:
    """With a client that has ``calls`` alone."""
    made = Transactions(Settings.load(kafka="127.0.0.1:1"), turned=lambda: turns.append(None))
    made._client = cast(Producer, SimpleNamespace(**calls))
    return made


def test_offsets_that_kafka_never_takes_spoil_their_transaction_and_nothing_is_committed(
    never: threading.Event,
) -> None:
    turns: list[None] = []
    client = opened(turns, send_offsets_to_transaction=lambda *_: never.wait())  # there is no other call to make

    with pytest.raises(SpoiltError, match="did not accept offsets"):
        client.commit(OFFSETS, SEAT)

    assert turns


def test_a_commit_that_is_never_answered_ends_the_router_with_a_sentence(never: threading.Event) -> None:
    turns: list[None] = []
    client = opened(turns, send_offsets_to_transaction=lambda *_: None, commit_transaction=lambda _: never.wait())

    with pytest.raises(FatalProducerError, match="whether a transaction of copies was committed"):
        client.commit(OFFSETS, SEAT)

    assert turns


@pytest.mark.parametrize("retriable", [False, True])
def test_a_commit_that_times_out_by_itself_ends_the_router_as_well(*, retriable: bool) -> None:
    def commit(_: float) -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, None, False, retriable, True))

    client = opened([], send_offsets_to_transaction=lambda *_: None, commit_transaction=commit)

    with pytest.raises(FatalProducerError, match="whether a transaction of copies was committed"):
        client.commit(OFFSETS, SEAT)


def test_a_call_that_fails_for_the_moment_is_made_again_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "TRANSACTION_S", 60.0)
    left = [KafkaException(KafkaError(KafkaError._TIMED_OUT, None, False, True, False))]

    def commit(_: float) -> None:
        if left:
            raise left.pop()

    client = opened([], send_offsets_to_transaction=lambda *_: None, commit_transaction=commit)

    assert client.commit(OFFSETS, SEAT)
    assert not left


def test_copies_that_no_broker_acknowledges_are_given_up_with_their_transaction() -> None:
    turns: list[None] = []
    settings = Settings.load(kafka="127.0.0.1:1")
    copies = TransactionalCopies(
        dead_topic="dead",
        restore=lambda _: set(),
        avoided_topics=AvoidedTopics(settings, tell=lambda _: None, wanted=set),
        turned=lambda: turns.append(None),
        transactions=cast(Transactions, SimpleNamespace(flush=lambda _: 1, answered=lambda *_: False)),
    )

    with pytest.raises(SpoiltError, match="no broker acknowledged"):
        copies.settle()

    assert turns
