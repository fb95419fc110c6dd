"""The router's producer on brokers that fail at random: no record is lost, and none is out of order."""

import time
from collections.abc import Iterator
from random import Random

import pytest

from eventstreams.settings import Settings
from router.at_least_once import connection
from router.at_least_once import producer as module
from router.at_least_once.producer import BatchProducer
from router.at_least_once.record_batch import Place, RecordBatch
from tests.support.idempotent_brokers import TOO_LARGE, Faults, IdempotentBrokers

pytestmark = pytest.mark.timeout(60)

DEADLINE_S = 20.0
PARTITIONS = {"one": 1, "two": 3, "late": 1, "large": 1}
PLACES: list[Place] = [(topic, each) for topic, count in PARTITIONS.items() for each in range(count)]
ROUNDS = 3
BATCHES = 25

SLOW = Faults()
ERRORS = Faults(refuse=0.05, doubt=0.05, move=0.03, leaderless=0.1)
CUTS = Faults(cut=0.05, move=0.02)
ALL = Faults(cut=0.03, refuse=0.03, doubt=0.03, move=0.02, leaderless=0.1)
FORGETFUL = Faults(forget=0.05)
ALL_AND_FORGETFUL = Faults(cut=0.02, refuse=0.02, doubt=0.02, move=0.02, leaderless=0.1, forget=0.05)


class Run:
    """Rounds of batches for all partitions, and what became of them."""

    def __init__(self, brokers: IdempotentBrokers, producer: BatchProducer, random: Random) -> None:
        self.brokers = brokers
        self.sent: dict[Place, list[bytes]] = {place: [] for place in PLACES}
        self.failed: set[bytes] = set()
        self._producer = producer
        self._random = random

    def go(self, *, gives_back: bool) -> None:
        began = time.monotonic()
        for turn in range(ROUNDS):
            self.brokers.hidden = {"late"} if turn != 1 else set()
            for _ in range(BATCHES):
                self._producer.send([self._batch(self._random.choice(PLACES)) for _ in range(3)])
                if self._random.random() < 0.2:
                    time.sleep(0.002)  # so that batches come while others are in flight; no result depends on it
                if gives_back and self._random.random() < 0.1:
                    self._producer.give_back()
            self.brokers.hidden = set()
            assert self._producer.flush(DEADLINE_S) == 0
            self._producer.keep({"one", "two"} if turn else {*PARTITIONS})
        assert time.monotonic() - began < DEADLINE_S
        for batch, _ in self._producer.take_failed():
            self.failed |= {record.value or b"" for record in batch.read()}

    def _batch(self, place: Place) -> RecordBatch:
        batch = RecordBatch(place)
        for _ in range(self._random.randint(1, 4)):
            value = b"%d" % len(self.sent[place])
            if place[0] == "large" and self._random.random() < 0.1:
                value += TOO_LARGE
            value = b"%s %d %s" % (place[0].encode(), place[1], value)
            self.sent[place].append(value)
            batch.add_record(b"key", value, [])
        return batch

    def logged(self, place: Place) -> list[bytes]:
        """The records in the partition except those that failed."""
        return [each for each in self.brokers.logs[place].values if each not in self.failed]

    def expected(self, place: Place) -> list[bytes]:
        return [each for each in self.sent[place] if each not in self.failed]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESTS_S", (0.001, 0.005))
    monkeypatch.setattr(module, "_SHARED_BYTES", 300)  # so that two requests are in flight


@pytest.fixture
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    faults, seed = request.param
    brokers = IdempotentBrokers(PARTITIONS, Random(seed), faults)
    monkeypatch.setattr(connection, "client_of", lambda _: brokers)
    producer = BatchProducer(Settings.load(kafka="127.0.0.1:1"))
    yield Run(brokers, producer, Random(seed))
    producer.close()


def runs(seeds: int, **faults: Faults) -> pytest.MarkDecorator:
    cases = [pytest.param((each, seed), id=f"{name}-{seed}") for name, each in faults.items() for seed in range(seeds)]
    return pytest.mark.parametrize("run", cases, indirect=True)


@runs(2, slow=SLOW, errors=ERRORS, cuts=CUTS, all=ALL)
@pytest.mark.parametrize("gives_back", [False, True], ids=["", "gives back"])
def test_each_record_is_in_its_partition_once_and_in_order(run: Run, *, gives_back: bool) -> None:
    run.go(gives_back=gives_back)

    assert run.brokers.wrong == []
    if not gives_back:
        assert run.failed == {each for values in run.sent.values() for each in values if TOO_LARGE in each}
    for place in PLACES:
        assert run.logged(place) == run.expected(place), place
    assert run.brokers.counted["pairs"], "two batches of a partition were in flight at once"


@runs(3, forgetful=FORGETFUL, all_and_forgetful=ALL_AND_FORGETFUL)
def test_brokers_that_forget_producer_ids_lose_no_record(run: Run) -> None:
    run.go(gives_back=False)

    assert run.brokers.wrong == []
    assert run.brokers.forgot
    for place in PLACES:
        first = [*dict.fromkeys(run.logged(place))]
        if place in run.brokers.spoilt:
            assert sorted(first) == sorted(run.expected(place)), place
        else:
            assert first == run.expected(place), place
        if place not in run.brokers.forgot:
            assert run.logged(place) == first, f"once: {place}"
