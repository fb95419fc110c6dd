"""What the router makes of copies that nothing takes: no topic, not even its dead letters, or no producer any more."""

from collections.abc import Container, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError

from eventstreams.errors import FatalProducerError
from eventstreams.settings import Settings
from router.copying import producers
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import Copies, _short
from router.copying.producers import Producers
from router.planning.plan import Copy, Planner
from tests.support.fatal import give_up


def test_a_header_without_a_value_stops_no_partition() -> None:
    """Kafka lets a header have none, and aiokafka hands it out."""
    headers = [("ce_id", b"EZ1"), ("ce_subject", cast(bytes, None)), ("x-ours", cast(bytes, None))]

    assert _short(headers) == [("ce_id", b"EZ1"), ("ce_subject", b"")]


def test_topics_that_nobody_wants_any_more_are_forgotten_once_nothing_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producers, "_TOPICS", 1)
    copies = _copies(SimpleNamespace(topics=lambda: {"b", "d"}))
    for topic in "abc":
        assert copies.produces[topic] is not None
    assert len(cast(Producers, copies.produces)._producers) == 3

    copies.settle()

    assert (list(copies.produces), len(cast(Producers, copies.produces)._producers)) == (["b"], 2)


class _Slow:
    """Clients of which ``flush`` has so many copies left each time; what it gives up it reports as failed."""

    are_many = False

    def __init__(self, copies: Copies, left: Sequence[int], given_up: int) -> None:
        self._copies = copies
        self._left = iter(left)
        self._given_up = given_up

    def flush(self, _: float) -> int:
        left = next(self._left)
        if left == 0:
            self._copies._lost += [cast(Any, None)] * self._given_up
        return left

    def answered(self, *_: object) -> bool:
        return True


@pytest.mark.parametrize(
    ("left", "given_up", "turns"),
    [
        pytest.param([5, 3, 3, 2, 0], 0, 3, id="acknowledged bit by bit"),
        pytest.param([5, 5, 5, 0], 5, 0, id="given up"),
        pytest.param([5, 5, 5, 0], 4, 1, id="all but one given up"),
    ],
)
def test_a_flush_that_takes_its_time_tells_that_it_goes_on(left: Sequence[int], given_up: int, turns: int) -> None:
    copies = _copies(None)
    copies.produces = cast(Any, _Slow(copies, left, given_up))

    copies._flush()

    assert copies.turns == turns


@pytest.mark.timeout(60)
def test_copies_that_nobody_wants_any_more_are_told() -> None:
    """Of three that were not taken: the topics of two are gone, and of one the event is for nobody any more."""
    planner = SimpleNamespace(plan=lambda _, record: [Copy(f"gone {record.offset}", [])] if record.offset else [])
    copies = _copies(planner, gone={"gone 1", "gone 2"})
    error, batch = KafkaError(KafkaError._UNKNOWN_TOPIC), _Batch([0, 1, 2])
    for offset in (0, 1, 2):
        message = SimpleNamespace(topic=lambda offset=offset: f"gone {offset}", partition=lambda: 0)
        copies.report(cast(Any, None), cast(Any, batch), offset, error, cast(Any, message))

    copies.settle()

    assert copies.dropped == 3


@pytest.mark.timeout(60)
def test_who_waits_for_copies_is_told_at_once_that_their_producer_gave_up_each_time() -> None:
    copies = _copies(None)
    copy, source = Copy("es.sub.webhook.DF1", []), cast(Any, SimpleNamespace(key=b"key", value=b"value"))
    copies.make(copy, source)
    give_up(cast(Producers, copies.produces)._producers[0])

    with pytest.raises(FatalProducerError):
        copies.settle()
    copies.make(copy, source)
    with pytest.raises(FatalProducerError):
        copies.settle()


class _Batch:
    """Records that have nothing but an offset."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self._offsets = offsets

    def records(self) -> Iterator[SimpleNamespace]:
        return (SimpleNamespace(offset=offset) for offset in self._offsets)


def _copies(planner: object, *, gone: Container[str] = ()) -> Copies:
    settings = Settings.load(kafka="127.0.0.1:1")
    return Copies(
        cast(Planner, planner),
        dead_topic="dead",
        restore=lambda topics: {topic for topic in topics if topic in gone},
        avoided_topics=AvoidedTopics(settings, tell=lambda _: None, wanted=set),
        turned=lambda: None,
        produces=Producers(settings),
    )
