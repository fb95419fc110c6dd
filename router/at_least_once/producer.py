"""An idempotent producer for record batches that sends those of many partitions in one request.

librdkafka sends the batch of each partition in a request of its own, and goes through all topics to find it. Here one
request holds batches of all the partitions that a broker leads, so thousands of topics cost little more than one.

The protocol is aiokafka's implementation, on a thread with an event loop. Up to two requests may be in flight to a
broker, so that one is on its way while the broker writes the other; ``PartitionQueue`` keeps the order of batches.
After a transient error a batch is sent again until a broker accepts it, or until the caller gives up with
``give_back``. A batch whose response was lost is sent again unchanged, so that the broker recognizes a duplicate.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Container, Coroutine, Mapping, Sequence
from typing import Final

from aiokafka.errors import KafkaError as ProtocolError
from confluent_kafka import KafkaError

from eventstreams.kafka.producer import LASTING
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from router.at_least_once.codes import MISSING, NOT_ANSWERED, NOT_IN_ORDER, PASSING
from router.at_least_once.connection import Connection
from router.at_least_once.identities import Identities
from router.at_least_once.leaders import Leaders
from router.at_least_once.ledger import Ledger
from router.at_least_once.partition_queue import PartitionQueue
from router.at_least_once.produce_request import Produce
from router.at_least_once.record_batch import Place, RecordBatch

_REQUESTS: Final = 2  # in flight to a broker: while it writes one to disk, the next is on its way
_REQUEST_BYTES: Final = 2 << 20  # a broker keeps all of it on its heap; exceeded by one batch at most
_SHARED_BYTES: Final = 512 << 10  # less is not split into several requests: each costs as much as 100 copies
_ACKS_MS: Final = 4_000  # for replication; the client waits longer, so that the broker can say which partitions lag
_MISSING_S: Final = 5.0  # before a topic counts as missing: brokers do not all learn of a new one at once
_RESTS_S: Final = (0.02, 0.1, 0.3, 1.0)  # backoff before a batch is sent again: a leader election takes less than 1 s
_MOST_RENEWALS: Final = 3
_CLOSE_S: Final = 5.0

_log = get_logger(__name__)


class BatchProducer:
    """``send`` any number of batches, then ``flush``. The public methods are for one thread, the same for all."""

    def __init__(self, settings: Settings) -> None:
        """Create a producer. Its thread starts with the first call that needs a broker, and connects then."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="router-producer", daemon=True)
        self._ledger = Ledger()
        # Only for the thread with the loop:
        self._connection = Connection(settings)
        self._leaders = Leaders()
        self._queues: dict[Place, PartitionQueue] = {}
        self._ready: dict[PartitionQueue, None] = {}  # in order: those with a batch that may be sent
        self._busy: Counter[int] = Counter()  # requests in flight to each broker
        self._silent: set[int] = set()  # brokers that did not respond to the last request in time
        self._missing_since: dict[Place, float] = {}  # on the monotonic clock
        self._identities = Identities()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finding = False
        self._identifying = False
        self._woken = False

    @property
    def failed(self) -> int:
        """How many records ``take_failed`` would return, in their batches."""
        return self._ledger.failed

    def send(self, batches: Sequence[RecordBatch]) -> None:
        """Queue ``batches`` behind all earlier ones and return at once. No record may be added to them any more."""
        self._start()
        for batch in batches:
            batch.close()  # here, not on the sending thread, for which the brokers wait
        self._ledger.add(batches)
        self._loop.call_soon_threadsafe(self._do, self._take, batches)

    def flush(self, timeout_s: float, group: int | None = None) -> int:
        """Wait until every batch is acknowledged or has failed; return how many records are still unsettled.

        Args:
            timeout_s: Longest wait, in seconds.
            group: Wait only for batches of this group; None for all.

        Raises:
            FatalProducerError: The producer can never deliver again; whether brokers have what is left is unknown.
        """
        return self._ledger.wait(timeout_s, group)

    def take_failed(self) -> Sequence[tuple[RecordBatch, KafkaError]]:
        """Return the batches that failed since the last call, each with its error."""
        return self._ledger.take_failed()

    def give_back(self) -> None:
        """Fail all batches of partitions that have none in flight. Returns at once, perhaps before they have failed."""
        self._loop.call_soon_threadsafe(self._do, self._give_back)

    def partitions(self, topic: str, timeout_s: float) -> int:
        """Return how many partitions ``topic`` has; 0 if there is no such topic or no broker answers in time.

        Blocks for at most ``timeout_s`` seconds if the topic is not known yet.
        """
        if not self._leaders.count(topic):
            self._ask({topic}, timeout_s)
        return self._leaders.count(topic)

    def answered(self, timeout_s: float) -> bool:
        """Return whether any broker answers a metadata request within ``timeout_s`` seconds."""
        return self._ask((), timeout_s) is not None

    def keep(self, wanted: Container[str]) -> None:
        """Forget all topics except ``wanted``. No batch may be queued or in flight."""
        self._loop.call_soon_threadsafe(self._do, self._keep, wanted)

    def close(self) -> None:
        """Close the connections. The fate of batches in flight stays unknown."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSE_S)
        else:
            self._loop.close()

    # -- on the thread with the loop -------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._end())
            self._loop.close()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.close()

    def _ask(self, topics: Collection[str], timeout_s: float) -> Mapping[str, int] | None:
        """Call ``_look_up`` from another thread; None if no broker answers, also within ``timeout_s`` seconds."""
        self._start()
        answer = asyncio.run_coroutine_threadsafe(asyncio.wait_for(self._look_up(topics), timeout_s), self._loop)
        try:
            return answer.result()
        except TimeoutError:
            return None

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._ledger.give_up(error)

    def _do(self, work: Callable[..., None], *arguments: object) -> None:
        """Do ``work``. If it raises, the producer gives up, since the loop would merely log the error."""
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - ``flush`` raises it
            self._ledger.give_up(error)

    def _start(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()

    def _take(self, batches: Sequence[RecordBatch]) -> None:
        for batch in batches:
            queue = self._queues.get(batch.place)
            if queue is None:
                queue = self._queues[batch.place] = PartitionQueue(batch.place)
            queue.add(batch)
            self._line_up(queue)
        self._wake()

    def _line_up(self, queue: PartitionQueue) -> None:
        """Add ``queue`` to those that are ready, or remove it from them."""
        if queue.may_send(time.monotonic()):
            self._ready[queue] = None
        else:
            self._ready.pop(queue, None)

    def _wake(self) -> None:
        """Schedule one ``_dispatch`` in this iteration of the event loop, however often it is asked for."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._do, self._dispatch)

    def _dispatch(self) -> None:
        """Send ready batches to brokers with fewer than ``_REQUESTS`` requests in flight; look up unknown leaders."""
        self._woken = False
        unknown: set[str] = set()
        leaders: dict[int, None] = {}
        for queue in self._ready:
            leader = self._leaders.get(queue.place)
            if leader is not None:
                if self._free(leader) > 0:
                    leaders[leader] = None
            elif queue.is_idle:
                unknown.add(queue.place[0])
        for leader in leaders:
            for _ in range(self._free(leader)):
                self._beside(self._keep_sending(leader))
        if unknown and not self._finding:
            self._finding = True
            self._beside(self._find(unknown))

    def _free(self, leader: int) -> int:
        """Return how many more requests ``leader`` may get now."""
        # The time of a second one runs while it waits behind the first: of a slow broker it would be up too soon.
        return (1 if leader in self._silent else _REQUESTS) - self._busy[leader]

    def _next_request(self, leader: int) -> Sequence[RecordBatch]:
        """Take the next request's batches from those ready for ``leader``: a share, if another request may go too."""
        ready = [each for each in self._ready if self._leaders.get(each.place) == leader and each.goes_to(leader)]
        if not self._identities.suffices:
            ready = self._identified(ready)
        request = []
        for queue in _share(ready, self._free(leader)):
            batch = queue.next
            batch.identity = batch.identity or self._identities.next(batch.place, batch.records)
            request.append(queue.send(leader))
            del self._ready[queue]
            self._line_up(queue)
        return request

    def _identified(self, queues: Sequence[PartitionQueue]) -> list[PartitionQueue]:
        """Return those of ``queues`` that need no new producer id; if others do, request one."""
        identified = [each for each in queues if each.next.identity or each.place in self._identities]
        if len(identified) < len(queues):
            self._identify()
        return identified

    async def _keep_sending(self, leader: int) -> None:
        """Send requests to ``leader``, each with what has become ready by then, until nothing is."""
        # Each is made where it is sent: one made by ``_dispatch`` could be overtaken by a request with later batches.
        # Nor does the next one wait for ``_dispatch``: a turn of the loop may wait for the GIL, and the broker with it.
        while self._free(leader) > 0 and (request := self._next_request(leader)):
            self._busy[leader] += 1
            await self._request(leader, request)
            self._busy[leader] -= 1
            if self._ready:
                self._wake()
        if not self._busy[leader]:
            del self._busy[leader]

    async def _request(self, leader: int, batches: Sequence[RecordBatch]) -> None:
        topics: dict[str, list[tuple[int, bytearray]]] = {}
        for batch in batches:
            assert batch.identity is not None
            topic, partition = batch.place
            topics.setdefault(topic, []).append((partition, batch.raw(batch.identity)))
        client = await self._connection.client()
        codes: Mapping[Place, int] | None
        try:
            answer = await client.send(leader, Produce(topics, timeout_ms=_ACKS_MS))
        except (ProtocolError, OSError, KeyError) as error:  # KeyError: aiokafka has lost its connection meanwhile
            _log.warning("kafka.not_answered", broker=leader, error=type(error).__name__, follows="it is sent again")
            codes = None
            self._silent.add(leader)
        else:
            codes = answer.codes
            self._silent.discard(leader)
        now = time.monotonic()
        accepted: list[RecordBatch] = []
        for batch in batches:
            queue = self._queues[batch.place]
            code = NOT_ANSWERED if codes is None else codes.get(batch.place, KafkaError.UNKNOWN)
            outcome = queue.answered(batch, code, now)
            if outcome.accepted:
                self._missing_since.pop(queue.place, None)
                accepted += outcome.accepted
            if outcome.refused is not None:
                self._refused(queue, outcome.refused)
            self._line_up(queue)
        self._ledger.accept(accepted)

    def _identify(self) -> None:
        """Request a producer id, unless that is under way."""
        if not self._identifying:
            self._identifying = True
            self._beside(self._request_id())

    async def _request_id(self) -> None:
        self._identities.grant(*await self._connection.new_producer_id())
        self._identifying = False
        self._wake()

    async def _look_up(self, topics: Collection[str]) -> Mapping[str, int] | None:
        """Update the leaders of ``topics``; return each topic's error code, 0 if it exists. None: no broker answers."""
        client = await self._connection.client()
        answer = await client.describe(topics, last=self._busy)
        return None if answer is None else self._leaders.learn(answer)

    async def _find(self, topics: Collection[str]) -> None:
        """Look up the leaders of ``topics``, which have ready batches; those without a leader are retried or fail."""
        codes = await self._look_up(topics)
        self._finding = False
        for queue in [each for each in self._ready if each.place[0] in topics and each.place not in self._leaders]:
            if queue.is_idle:
                topic, partition = queue.place
                code = NOT_ANSWERED if codes is None else codes.get(topic, KafkaError.UNKNOWN)
                if code == KafkaError.NO_ERROR:
                    is_there = partition < self._leaders.count(topic)
                    code = KafkaError.LEADER_NOT_AVAILABLE if is_there else MISSING
                self._refused(queue, code)
                self._line_up(queue)
        self._wake()

    def _refused(self, queue: PartitionQueue, code: int) -> None:
        """Handle error ``code`` for the first batch: renew the producer id, split the batch, back off, or fail it."""
        batch = queue.first
        if code in NOT_IN_ORDER and batch.renewals < _MOST_RENEWALS:
            batch.renewals += 1
            self._begin_anew(queue)
        elif code in LASTING and batch.records > 1:
            # One record that no broker ever accepts must not make the others fail: halve the batch until it is alone.
            queue.replace_first(batch.halves())
            self._begin_anew(queue)
        elif code in PASSING:
            self._leaders.pop(queue.place, None)  # whatever the error, another broker may lead by now
            if code == MISSING:
                self._miss(queue)
            else:
                self._rest(queue)
        else:
            queue.replace_first(())
            self._fail(queue, [batch], KafkaError(code))

    def _begin_anew(self, queue: PartitionQueue) -> None:
        queue.begin_anew()
        self._identities.renew(queue.place)

    def _miss(self, queue: PartitionQueue) -> None:
        """Retry a batch whose partition does not exist; after ``_MISSING_S`` fail all batches of the partition."""
        since = self._missing_since.setdefault(queue.place, time.monotonic())
        if time.monotonic() - since < _MISSING_S:
            self._rest(queue)
        else:
            self._fail(queue, queue.take_all(), KafkaError(MISSING))

    def _rest(self, queue: PartitionQueue) -> None:
        """Send the first batch again after a backoff, longer with each try."""
        batch = queue.first
        pause_s = _RESTS_S[min(batch.tries, len(_RESTS_S) - 1)]
        batch.tries += 1
        queue.back_off()
        self._loop.call_later(pause_s, self._do, self._rested, queue, batch)

    def _rested(self, queue: PartitionQueue, batch: RecordBatch) -> None:
        if queue.is_idle and queue.first is batch:  # it may have failed by ``give_back`` meanwhile
            queue.go_on()
            self._line_up(queue)
            self._wake()

    def _fail(self, queue: PartitionQueue, batches: Sequence[RecordBatch], error: KafkaError) -> None:
        self._missing_since.pop(queue.place, None)
        self._ledger.fail(batches, error)

    def _give_back(self) -> None:
        error = KafkaError(KafkaError._PURGE_QUEUE)  # noqa: SLF001 - its public name
        for queue in self._queues.values():
            if queue.is_idle:
                self._leaders.pop(queue.place, None)
                self._fail(queue, queue.take_all(), error)
                self._line_up(queue)

    def _keep(self, wanted: Container[str]) -> None:
        self._queues = {place: queue for place, queue in self._queues.items() if place[0] in wanted}
        self._leaders.keep(wanted)
        self._identities.keep(wanted)


def _share(queues: Sequence[PartitionQueue], requests: int) -> Sequence[PartitionQueue]:
    """Return the first of ``queues``, whose next batches make one request if all are spread over ``requests`` by size.

    At least ``_SHARED_BYTES`` if there is as much, and at most ``_REQUEST_BYTES``, which the last batch may exceed.
    """
    limit = min(max(sum(queue.next.size for queue in queues) // requests, _SHARED_BYTES), _REQUEST_BYTES)
    share, size = list[PartitionQueue](), 0
    for queue in queues:
        if size >= limit:
            break
        share.append(queue)
        size += queue.next.size
    return share
