"""Which batches of a partition may be sent, and what becomes of those in flight."""

from collections.abc import Callable
from typing import Final

import pytest
from confluent_kafka import KafkaError

from router.at_least_once.codes import TAKEN
from router.at_least_once.partition_queue import _REMEMBERED_S, Outcome, PartitionQueue
from router.at_least_once.record_batch import Identity, Place, RecordBatch

PLACE: Final[Place] = ("one", 0)
LEADER, OTHER = 1, 2
NOW = 1_000.0
LOST = KafkaError._TRANSPORT
REFUSED = KafkaError.NOT_ENOUGH_REPLICAS
NOTHING = Outcome([])
GAP = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER


class Scene:
    """A queue and the batches that were added to it, in order."""

    def __init__(self, batches: int) -> None:
        self.queue = PartitionQueue(PLACE)
        self.batches: list[RecordBatch] = []
        self.sequence = 0
        self.add(batches)

    def add(self, batches: int) -> None:
        for _ in range(batches):
            self.batches.append(RecordBatch(PLACE))
            self.queue.add(self.batches[-1])

    def may_send(self, now: float = NOW) -> bool:
        return self.queue.may_send(now)

    def send(self, batches: int = 1) -> None:
        for _ in range(batches):
            assert self.may_send()
            if self.queue.next.identity is None:
                self.queue.next.identity = Identity(7, 0, self.sequence)
                self.sequence += 1
            self.queue.send(LEADER)

    def answered(self, number: int, code: int, now: float = NOW) -> Outcome:
        return self.queue.answered(self.batches[number], code, now)

    def settle(self, number: int) -> None:
        """Send and accept one, so that the producer id is known."""
        self.send()
        assert self.answered(number, 0) == Outcome([self.batches[number]])


@pytest.fixture
def known() -> Scene:
    """A queue of five, of which the first was accepted."""
    scene = Scene(5)
    scene.settle(0)
    return scene


def test_an_empty_queue_sends_nothing() -> None:
    queue = PartitionQueue(PLACE)

    assert not queue.may_send(NOW)
    assert not queue.is_idle


def test_the_first_batch_goes_alone() -> None:
    scene = Scene(2)
    assert scene.queue.is_idle
    scene.send()

    assert not scene.may_send()
    assert not scene.queue.is_idle


@pytest.mark.parametrize("code", sorted(TAKEN))
def test_two_are_in_flight_and_no_more_once_one_was_accepted(code: int) -> None:
    scene = Scene(5)
    scene.send()
    assert scene.answered(0, code) == Outcome([scene.batches[0]])

    scene.send(2)

    assert not scene.may_send()
    assert scene.answered(1, code) == Outcome([scene.batches[1]])
    assert scene.may_send()
    assert scene.queue.next is scene.batches[3]


def test_nothing_more_is_sent_than_there_is() -> None:
    scene = Scene(2)
    scene.settle(0)
    scene.send()

    assert not scene.may_send()
    scene.add(1)
    assert scene.may_send()


def test_a_broker_may_have_forgotten_after_an_hour(known: Scene) -> None:
    known.send()

    assert known.may_send(NOW + _REMEMBERED_S - 1)
    assert not known.may_send(NOW + _REMEMBERED_S)
    known.answered(1, 0, NOW + _REMEMBERED_S)
    known.send()
    assert known.may_send(NOW + _REMEMBERED_S)


def test_a_batch_does_not_go_to_another_broker_than_the_one_before_it(known: Scene) -> None:
    assert known.queue.goes_to(OTHER)
    known.send()

    assert known.queue.goes_to(LEADER)
    assert not known.queue.goes_to(OTHER)

    known.answered(1, 0)
    assert known.queue.goes_to(OTHER)


def test_both_are_accepted_in_order(known: Scene) -> None:
    known.send(2)

    assert known.answered(1, 0) == Outcome([known.batches[1]])
    assert known.answered(2, 0) == Outcome([known.batches[2]])
    assert known.queue.is_idle


def test_a_response_to_the_second_waits_for_that_to_the_first(known: Scene) -> None:
    known.send(2)

    assert known.answered(2, 0) == NOTHING
    assert not known.may_send()
    assert known.answered(1, 0) == Outcome(known.batches[1:3])


@pytest.mark.parametrize("code", [LOST, REFUSED, GAP, KafkaError.MSG_SIZE_TOO_LARGE])
def test_an_error_of_the_first_waits_for_the_second(known: Scene, code: int) -> None:
    known.send(2)

    assert known.answered(1, code) == NOTHING
    assert not known.may_send()
    assert known.answered(2, GAP) == Outcome([], code)
    assert known.queue.is_idle
    assert known.queue.first is known.batches[1]


def test_an_error_of_the_second_is_handled_when_it_is_first(known: Scene) -> None:
    known.send(2)

    assert known.answered(1, 0) == Outcome([known.batches[1]])
    assert not known.queue.is_idle
    assert known.answered(2, REFUSED) == Outcome([], REFUSED)
    assert known.queue.first is known.batches[2]


def test_an_error_of_the_second_that_comes_first_is_handled_once_the_first_is_accepted(known: Scene) -> None:
    known.send(2)

    assert known.answered(2, GAP) == NOTHING
    assert known.answered(1, 0) == Outcome([known.batches[1]], GAP)
    assert known.queue.first is known.batches[2]


def test_a_second_that_a_forgetful_broker_has_is_not_sent_again(known: Scene) -> None:
    known.send(2)

    assert known.answered(1, REFUSED) == NOTHING
    assert known.answered(2, 0) == Outcome([known.batches[2]], REFUSED)

    assert known.queue.first is known.batches[1]
    known.settle(1)
    assert known.queue.first is known.batches[3]


def test_after_an_error_each_goes_alone_until_all_that_were_sent_are_accepted(known: Scene) -> None:
    known.send(2)
    known.answered(1, LOST)
    known.answered(2, LOST)

    known.send()
    assert not known.may_send()
    known.answered(1, 0)
    known.send()
    assert not known.may_send(), "the second had been sent before"
    known.answered(2, 0)
    known.send(2)
    assert known.answered(3, 0) == Outcome([known.batches[3]])


def test_after_an_error_of_one_in_flight_alone_it_goes_alone_again(known: Scene) -> None:
    known.send()
    assert known.answered(1, REFUSED) == Outcome([], REFUSED)

    known.send()

    assert not known.may_send()
    known.answered(1, 0)
    known.send(2)


def test_nothing_is_sent_while_it_backs_off(known: Scene) -> None:
    known.queue.back_off()

    assert not known.may_send()
    assert known.queue.is_idle
    known.queue.go_on()
    assert known.may_send()


def test_under_a_new_id_no_batch_keeps_its_identity_and_the_first_goes_alone(known: Scene) -> None:
    known.send(2)
    known.answered(1, GAP)
    known.answered(2, GAP)

    known.queue.begin_anew()

    assert [batch.identity for batch in known.batches[1:]] == [None] * 4
    known.send()
    assert not known.may_send()
    known.answered(1, 0)
    known.send(2)


def test_a_new_id_is_not_known_even_if_there_was_no_error(known: Scene) -> None:
    known.queue.begin_anew()
    known.send()

    assert not known.may_send()


def test_halves_take_the_place_of_the_first(known: Scene) -> None:
    halves = RecordBatch(PLACE), RecordBatch(PLACE)

    known.queue.replace_first(halves)

    assert known.queue.take_all() == [*halves, *known.batches[2:]]


def test_a_first_that_failed_leaves_the_others(known: Scene) -> None:
    known.queue.replace_first(())

    assert known.queue.first is known.batches[2]


@pytest.mark.parametrize("before", [lambda _: None, PartitionQueue.back_off], ids=["", "backs off"])
def test_all_is_taken_and_what_comes_next_is_sent(known: Scene, before: Callable[[PartitionQueue], None]) -> None:
    before(known.queue)

    assert known.queue.take_all() == known.batches[1:]

    assert not known.queue.is_idle
    assert not known.may_send()
    known.add(1)
    assert known.may_send()
    assert known.queue.first is known.batches[-1]
