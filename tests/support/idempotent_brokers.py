"""Two brokers in memory, in place of the router's Kafka client: rules for idempotent producers, and faults."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import DefaultRecordBatch
from confluent_kafka import KafkaError

from router.at_least_once.produce_request import Produce
from router.at_least_once.record_batch import Identity, Place

TOO_LARGE: Final = b"too large"
_REMEMBERED: Final = 5  # batches of each producer id, in Kafka
_BROKERS: Final = (1, 2)
_REFUSALS: Final = (KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.KAFKA_STORAGE_ERROR)
_UNSURE: Final = (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, KafkaError.REQUEST_TIMED_OUT)
_DELAYS_S: Final = (0.0, 0.0, 0.001, 0.003)


@dataclass(frozen=True)
class Batch:
    """A batch as it was received."""

    place: Place
    identity: Identity
    values: tuple[bytes, ...]


@dataclass
class Log:
    """A partition: its records, and for each producer id the next sequence number and the last batches' numbers."""

    values: list[bytes] = field(default_factory=list)
    producers: dict[int, tuple[int, deque[tuple[int, int]]]] = field(default_factory=dict)

    def append(self, batch: Batch) -> int:
        """Return the error code."""
        sequence, records = batch.identity.sequence, len(batch.values)
        expected, latest = self.producers.get(batch.identity.producer_id, (sequence, deque(maxlen=_REMEMBERED)))
        if (sequence, records) in latest:
            return KafkaError.NO_ERROR
        if sequence != expected:
            return KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
        latest.append((sequence, records))
        self.producers[batch.identity.producer_id] = sequence + records, latest
        self.values += batch.values
        return KafkaError.NO_ERROR


@dataclass(eq=False)
class Connection:
    """A connection to a broker, which handles its requests one after the other."""

    broker: int
    requests: deque[tuple[Sequence[Batch], "asyncio.Future[dict[Place, int]]"]] = field(default_factory=deque)
    is_cut: bool = False


@dataclass
class Faults:
    """How probable is each fault, per request or per batch."""

    cut: float = 0.0
    refuse: float = 0.0
    doubt: float = 0.0
    """An error although the batch was appended."""
    move: float = 0.0
    """The leader changes."""
    leaderless: float = 0.0
    """Metadata without a leader."""
    forget: float = 0.0
    """The leader forgets all producer ids."""


class IdempotentBrokers:
    """In place of ``Client``. Checks what it receives; the violations are in ``wrong``.

    Attributes:
        logs: The partitions.
        hidden: Topics that the brokers do not know yet.
        forgot: Partitions whose producer ids were forgotten at some time.
        spoilt: Those where that happened together with an error: the only ones where the order may be violated.
        counted: What happened how often.
    """

    def __init__(self, partitions: dict[str, int], random: Random, faults: Faults) -> None:
        self._random = random
        self._faults = faults
        self._partitions = partitions
        self._leaders = {
            (topic, each): random.choice(_BROKERS) for topic in partitions for each in range(partitions[topic])
        }
        self.logs = {place: Log() for place in self._leaders}
        self.hidden: set[str] = set()
        self.forgot: set[Place] = set()
        self.spoilt: set[Place] = set()
        self.counted: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._connections: dict[int, Connection] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._ids = count()
        self._in_flight: defaultdict[Place, list[tuple[Connection, Batch]]] = defaultdict(list)
        self._accepted: set[tuple[Place, int]] = set()  # the latest response under this producer id was no error
        self._carried: dict[tuple[Place, int, int, int], bytes] = {}  # by identity and sequence number of the record
        self._unsettled: defaultdict[Place, set[bytes]] = defaultdict(set)  # got an error or no response
        self._fresh: set[Place] = set()  # nothing was appended since the producer ids were forgotten

    async def bootstrap(self) -> None: ...

    async def close(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def get_random_node(self) -> int:
        return self._random.choice(_BROKERS)

    async def describe(self, topics: Collection[str], *, last: Container[int]) -> Any:
        del last
        await asyncio.sleep(self._random.choice(_DELAYS_S))
        self.counted["metadata"] += 1
        return SimpleNamespace(
            topics=[
                (KafkaError.UNKNOWN_TOPIC_OR_PART, topic, False, [])
                if topic in self.hidden or topic not in self._partitions
                else (
                    0,
                    topic,
                    False,
                    [(0, each, self._leader(topic, each)) for each in range(self._partitions[topic])],
                )
                for topic in topics
            ]
        )

    def _leader(self, topic: str, partition: int) -> int:
        return -1 if self._happens(self._faults.leaderless) else self._leaders[topic, partition]

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability

    async def send(self, broker: int, request: Any) -> Any:
        if not isinstance(request, Produce):
            await asyncio.sleep(self._random.choice(_DELAYS_S))
            self.counted["producer ids"] += 1
            return SimpleNamespace(error_code=0, producer_id=next(self._ids), producer_epoch=0)
        batches = [
            _read((topic, partition), bytes(raw))
            for topic, partitions in request.batches.items()
            for partition, raw in partitions
        ]
        connection = self._connections.setdefault(broker, Connection(broker))
        for batch in batches:
            self._check(connection, batch)
        response = asyncio.get_running_loop().create_future()
        connection.requests.append((batches, response))
        if len(connection.requests) == 1:
            task = asyncio.create_task(self._serve(connection))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            codes = await response
        except KafkaConnectionError:
            self._accepted -= {(batch.place, batch.identity.producer_id) for batch in batches}
            raise
        finally:
            for batch in batches:
                self._in_flight[batch.place].remove((connection, batch))
        for batch in batches:
            if codes[batch.place] == KafkaError.NO_ERROR:
                self._accepted.add((batch.place, batch.identity.producer_id))
                self._unsettled[batch.place] -= {*batch.values}
            else:
                self._accepted.discard((batch.place, batch.identity.producer_id))
        return SimpleNamespace(codes=codes)

    def _check(self, connection: Connection, batch: Batch) -> None:
        """Check ``batch``, which has just been received."""
        before = self._in_flight[batch.place]
        self.counted["pairs"] += bool(before)
        producer_id, epoch, sequence = batch.identity
        for number, value in enumerate(batch.values, sequence):
            if self._carried.setdefault((batch.place, producer_id, epoch, number), value) != value:
                self.wrong.append(f"{batch} has numbers of other records")
        if len(before) > 1:
            self.wrong.append(f"{batch} is the third in flight")
        if before and (batch.place, producer_id) not in self._accepted:
            self.wrong.append(f"{batch} is sent beside another before one of its producer id was accepted")
        for other, earlier in before:
            if other.broker != connection.broker:
                self.wrong.append(f"{batch} is sent while another broker has {earlier}")
            if earlier.identity.producer_id == producer_id and earlier.identity.sequence >= sequence:
                self.wrong.append(f"{batch} is sent after {earlier}")
        before.append((connection, batch))

    async def _serve(self, connection: Connection) -> None:
        while connection.requests:
            batches, response = connection.requests[0]
            await asyncio.sleep(self._random.choice(_DELAYS_S))
            if self._happens(self._faults.cut):
                self._cut(connection)
                return
            codes = {batch.place: self._handle(connection.broker, batch) for batch in batches}
            await asyncio.sleep(self._random.choice(_DELAYS_S))
            if self._happens(self._faults.cut):
                self._cut(connection)
                return
            connection.requests.popleft()
            response.set_result(codes)

    def _cut(self, connection: Connection) -> None:
        """Break ``connection``; the broker may already have the first few of its requests, and handle them later."""
        self.counted["cuts"] += 1
        self.counted["cuts of two"] += len(connection.requests) > 1
        del self._connections[connection.broker]
        received = list(connection.requests)[: self._random.randrange(len(connection.requests) + 1)]
        for batches, response in connection.requests:
            for batch in batches:
                self._trouble(batch)
            response.set_exception(KafkaConnectionError("cut"))
        late_s = self._random.choice((0.0, 0.0, 0.002, 0.02))
        asyncio.get_running_loop().call_later(late_s, self._handle_late, connection.broker, received)

    def _handle_late(self, broker: int, requests: Sequence[tuple[Sequence[Batch], object]]) -> None:
        for batches, _ in requests:
            for batch in batches:
                self._handle(broker, batch)

    def _handle(self, broker: int, batch: Batch) -> int:
        """Return the error code for ``batch``."""
        place = batch.place
        if self._happens(self._faults.move):
            self._leaders[place] = self._random.choice(_BROKERS)
        if self._happens(self._faults.forget):
            self.logs[place].producers.clear()
            self.forgot.add(place)
            self._fresh.add(place)
            if self._unsettled[place]:
                self.spoilt.add(place)
        code = self._append(broker, batch)
        self.counted[KafkaError(code).name()] += 1
        if code in (*_UNSURE, KafkaError.NO_ERROR):
            self._fresh.discard(place)
        if code != KafkaError.NO_ERROR:
            self._trouble(batch)
        return code

    def _append(self, broker: int, batch: Batch) -> int:
        if batch.place[0] in self.hidden:
            return KafkaError.UNKNOWN_TOPIC_OR_PART
        if self._leaders[batch.place] != broker:
            return KafkaError.NOT_LEADER_FOR_PARTITION
        if TOO_LARGE in b" ".join(batch.values):
            return KafkaError.MSG_SIZE_TOO_LARGE
        if self._happens(self._faults.refuse):
            return self._random.choice(_REFUSALS)
        code = self.logs[batch.place].append(batch)
        return self._random.choice(_UNSURE) if code == 0 and self._happens(self._faults.doubt) else code

    def _trouble(self, batch: Batch) -> None:
        self._unsettled[batch.place] |= {*batch.values}
        if batch.place in self._fresh:
            self.spoilt.add(batch.place)


def _read(place: Place, raw: bytes) -> Batch:
    batch = DefaultRecordBatch(raw)
    assert batch.validate_crc()
    identity = Identity(batch.producer_id, batch.producer_epoch, batch.base_sequence)
    return Batch(place, identity, tuple(record.value or b"" for record in batch))
