"""Sends record batches to Kafka: those of many partitions in one request, and each with what makes it idempotent.

librdkafka sends the batch of each partition in a request of its own, and looks through all topics for it. Here a
request holds the batches of as many partitions as one broker leads, so thousands of topics cost little more than one.

It is Kafka's protocol as aiokafka speaks it, on a thread with an event loop. One request is under way to a broker, so
one batch of a partition is, and they come in order. What brokers may take in a moment is sent again until they do, or
until whoever waits says ``give_back``. A batch whose answer was lost is sent as it was, so that the broker knows it.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Container, Coroutine, Mapping, Sequence
from typing import Final

from aiokafka.errors import KafkaError as ProtocolError
from aiokafka.protocol.transaction import InitProducerIdRequest
from confluent_kafka import KafkaError

from eventstreams.errors import FatalProducerError
from eventstreams.kafka.producer import LASTING
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from router.at_least_once.client import Client, client_of
from router.at_least_once.codes import FORBIDDEN, MISSING, NOT_ANSWERED, NOT_IN_ORDER, PASSING, TAKEN
from router.at_least_once.identities import Identities
from router.at_least_once.leaders import Leaders
from router.at_least_once.produce_request import Produce
from router.at_least_once.record_batch import Identity, Place, RecordBatch

_REQUEST_BYTES: Final = 4 << 20  # a broker keeps all of it on its heap; one batch more at most
_ACKS_MS: Final = 4_000  # for replicas to follow; the client waits longer, so that a broker says which partitions lag
_MISSING_S: Final = 5.0  # until a topic is not there: one that is new is not known to all brokers at once
_RESTS_S: Final = (0.02, 0.1, 0.3, 1.0)  # before it is sent again: a new leader takes part of a second
_MOST_RENEWALS: Final = 3
_NO_TIMEOUT_MS: Final = 0  # of transactions, of which there are none
_CLOSE_S: Final = 5.0

_log = get_logger(__name__)


class BatchProducer:
    """``send`` any number of batches, then ``flush``. All but what says so is for one thread alone."""

    def __init__(self, settings: Settings) -> None:
        """Connects to Kafka with the first ``send``."""
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="router-producer", daemon=True)
        self._changed = threading.Condition()
        self._left: Counter[int] = Counter()  # records of each group
        self._failed: list[tuple[RecordBatch, KafkaError]] = []
        self._gave_up: BaseException | None = None
        # For the thread with the loop alone:
        self._client: Client | None = None
        self._leaders = Leaders()
        self._queues: dict[Place, deque[RecordBatch]] = {}
        self._ready: dict[Place, None] = {}  # in order: with a batch that is neither under way nor at rest
        self._busy: set[int] = set()  # brokers that have not answered yet
        self._under_way: set[Place] = set()
        self._missing_since: dict[Place, float] = {}  # of the monotonic clock
        self._identities = Identities()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting = asyncio.Lock()
        self._finding = False
        self._woken = False

    @property
    def failed(self) -> int:
        """How many records ``take_failed`` has."""
        with self._changed:
            return sum(batch.records for batch, _ in self._failed)

    def send(self, batches: Sequence[RecordBatch]) -> None:
        """Let them be sent, behind all that were sent before."""
        self._start()
        with self._changed:
            for batch in batches:
                self._left[batch.group] += batch.records
        self._loop.call_soon_threadsafe(self._do, self._take, batches)

    def flush(self, timeout_s: float, group: int | None = None) -> int:
        """Wait until it is known of every batch what became of it, at most ``timeout_s``; how many records are left.

        Args:
            timeout_s: In s.
            group: Of batches of this one alone; None: of all.

        Raises:
            FatalProducerError: none can ever be delivered again; nothing is known of those that are left.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._unsettled(group) or self._gave_up is not None, timeout_s)
            if self._gave_up is not None:
                raise FatalProducerError(f"the Kafka sender gave up: {self._gave_up}") from self._gave_up
            return self._unsettled(group)

    def _unsettled(self, group: int | None) -> int:
        return self._left.total() if group is None else self._left[group]

    def take_failed(self) -> Sequence[tuple[RecordBatch, KafkaError]]:
        """Those that no broker took, since this was asked last."""
        with self._changed:
            failed, self._failed = self._failed, []
        return failed

    def give_back(self) -> None:
        """Let all fail that are not under way. May return before they have."""
        self._loop.call_soon_threadsafe(self._do, self._give_back)

    def partitions(self, topic: str, timeout_s: float) -> int:
        """How many ``topic`` has; 0 where no broker says so within ``timeout_s``, or there is none."""
        if not self._leaders.count(topic):
            self._ask({topic}, timeout_s)
        return self._leaders.count(topic)

    def answered(self, timeout_s: float) -> bool:
        """Whether any broker says anything within ``timeout_s``."""
        return self._ask((), timeout_s) is not None

    def keep(self, wanted: Container[str]) -> None:
        """Forget all topics but those of ``wanted``. Nothing may be under way."""
        self._loop.call_soon_threadsafe(self._do, self._keep, wanted)

    def close(self) -> None:
        """Close the connections. What is under way is lost sight of."""
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
        if self._client is not None:
            await self._client.close()

    def _ask(self, topics: Collection[str], timeout_s: float) -> Mapping[str, int] | None:
        """As ``_look_up``, for any other thread; None where it takes longer, too."""
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
            self._give_up(error)

    def _do(self, work: Callable[..., None], *arguments: object) -> None:
        """Do ``work``: that it fails must not pass unseen."""
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            self._gave_up = error
            self._changed.notify_all()

    def _start(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()

    def _take(self, batches: Sequence[RecordBatch]) -> None:
        for batch in batches:
            queue = self._queues.get(batch.place)
            if queue is None:
                self._queues[batch.place] = deque((batch,))
                self._ready[batch.place] = None
            else:
                queue.append(batch)
        self._wake()

    def _wake(self) -> None:
        """Dispatch in this turn of the loop, once for all that asks for it."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._do, self._dispatch)

    def _dispatch(self) -> None:
        """Send what is ready to each broker that has answered."""
        self._woken = False
        unknown: set[str] = set()
        requests: dict[int, list[RecordBatch]] = {}
        sizes: dict[int, int] = {}
        for place in self._ready:
            leader = self._leaders.get(place)
            if leader is None:
                unknown.add(place[0])
            elif leader not in self._busy and sizes.get(leader, 0) < _REQUEST_BYTES:
                batch = self._queues[place][0]
                requests.setdefault(leader, []).append(batch)
                sizes[leader] = sizes.get(leader, 0) + batch.size
        for leader, batches in requests.items():
            for batch in batches:
                del self._ready[batch.place]
                self._under_way.add(batch.place)
            self._busy.add(leader)
            self._beside(self._request(leader, batches))
        if unknown and not self._finding:
            self._finding = True
            self._beside(self._find(unknown))

    async def _request(self, leader: int, batches: Sequence[RecordBatch]) -> None:
        topics: dict[str, list[tuple[int, bytearray]]] = {}
        for batch in batches:
            identity = batch.identity or await self._identity(batch)
            topic, partition = batch.place
            topics.setdefault(topic, []).append((partition, batch.raw(identity)))
        client = await self._connected()
        codes: Mapping[Place, int] | None
        try:
            answer = await client.send(leader, Produce(topics, timeout_ms=_ACKS_MS))
        except (ProtocolError, OSError, KeyError) as error:  # the last: aiokafka lost its connection meanwhile
            _log.warning("kafka.not_answered", broker=leader, error=type(error).__name__, follows="it is sent again")
            codes = None
        else:
            codes = answer.codes
        self._busy.discard(leader)
        self._under_way.difference_update(batch.place for batch in batches)
        taken: list[RecordBatch] = []
        for batch in batches:
            code = NOT_ANSWERED if codes is None else codes.get(batch.place, KafkaError.UNKNOWN)
            if code in TAKEN:
                taken.append(batch)
                self._next(batch.place)
            else:
                self._refused(batch, code)
        self._settle(taken)
        self._wake()

    async def _identity(self, batch: RecordBatch) -> Identity:
        while (found := self._identities.next(batch.place, batch.records)) is None:
            client = await self._connected()
            try:
                answer = await client.send(client.get_random_node(), InitProducerIdRequest(None, _NO_TIMEOUT_MS))
            except (ProtocolError, OSError, KeyError) as error:
                problem = type(error).__name__
            else:
                if not answer.error_code:
                    self._identities.grant(answer.producer_id, answer.producer_epoch)
                    continue
                problem = KafkaError(answer.error_code).str()
                if answer.error_code in FORBIDDEN:
                    raise FatalProducerError(f"Kafka does not assign this router a producer id: {problem}")
            _log.warning("kafka.no_producer_id", error=problem, follows="it is requested again")
            await asyncio.sleep(_RESTS_S[1])  # a broker that has just started needs part of a second
        return found

    async def _connected(self) -> Client:
        """The client, once a broker has told it of all others."""
        async with self._connecting:
            if self._client is None:
                client = client_of(self._settings)
                while True:
                    try:
                        await client.bootstrap()
                    except (ProtocolError, OSError) as error:
                        _log.warning("kafka.not_reached", error=str(error), follows="it is retried")
                        await asyncio.sleep(_RESTS_S[-1])
                    else:
                        break
                self._client = client
            return self._client

    async def _look_up(self, topics: Collection[str]) -> Mapping[str, int] | None:
        """Learn who leads ``topics``; the error code of each, 0 where it is there. None: no broker says anything."""
        client = await self._connected()
        answer = await client.describe(topics, last=self._busy)
        return None if answer is None else self._leaders.learn(answer)

    async def _find(self, topics: Collection[str]) -> None:
        """Learn who leads ``topics``, of which there are batches that are ready."""
        codes = await self._look_up(topics)
        self._finding = False
        for place in [each for each in self._ready if each[0] in topics and each not in self._leaders]:
            topic, partition = place
            code = NOT_ANSWERED if codes is None else codes.get(topic, KafkaError.UNKNOWN)
            if code == KafkaError.NO_ERROR:
                is_there = partition < self._leaders.count(topic)
                code = KafkaError.LEADER_NOT_AVAILABLE if is_there else MISSING
            self._refused(self._queues[place][0], code)
        self._wake()

    def _refused(self, batch: RecordBatch, code: int) -> None:
        """Do what is to be done about ``batch``, which a broker did not take, for ``code``."""
        place = batch.place
        if code in NOT_IN_ORDER and batch.renewals < _MOST_RENEWALS:
            batch.renewals += 1
            batch.identity = None
            self._identities.renew(place)
            self._ready[place] = None
        elif code in LASTING and batch.records > 1:
            # One that no broker takes takes no others with it.
            queue = self._queues[place]
            queue.popleft()
            queue.extendleft(reversed(batch.halves()))
            self._identities.renew(place)
            self._ready[place] = None
        elif code in PASSING:
            self._leaders.pop(place, None)  # whatever it is, another broker may lead by now
            if code == MISSING:
                self._miss(batch)
            else:
                self._rest(batch)
        else:
            self._fail(batch, KafkaError(code))

    def _miss(self, batch: RecordBatch) -> None:
        """A broker says that there is no such partition."""
        since = self._missing_since.setdefault(batch.place, time.monotonic())
        if time.monotonic() - since < _MISSING_S:
            self._rest(batch)
            return
        for each in [*self._queues[batch.place]]:
            self._fail(each, KafkaError(MISSING))

    def _rest(self, batch: RecordBatch) -> None:
        """Send ``batch`` again, in a moment."""
        pause_s = _RESTS_S[min(batch.tries, len(_RESTS_S) - 1)]
        batch.tries += 1
        self._ready.pop(batch.place, None)
        self._loop.call_later(pause_s, self._do, self._rested, batch)

    def _rested(self, batch: RecordBatch) -> None:
        queue = self._queues.get(batch.place)
        if queue and queue[0] is batch:  # it may have been given back meanwhile
            self._ready[batch.place] = None
            self._wake()

    def _fail(self, batch: RecordBatch, error: KafkaError) -> None:
        self._next(batch.place)
        with self._changed:
            self._failed.append((batch, error))
        self._settle([batch])

    def _next(self, place: Place) -> None:
        """It is known what became of the first batch for ``place``."""
        self._missing_since.pop(place, None)
        queue = self._queues[place]
        queue.popleft()
        if queue:
            self._ready[place] = None
        else:
            del self._queues[place]
            self._ready.pop(place, None)

    def _settle(self, batches: Sequence[RecordBatch]) -> None:
        with self._changed:
            for batch in batches:
                self._left[batch.group] -= batch.records
                if not self._left[batch.group]:
                    del self._left[batch.group]
                    self._changed.notify_all()

    def _give_back(self) -> None:
        error = KafkaError(KafkaError._PURGE_QUEUE)  # noqa: SLF001 - its public name
        for place in self._queues.keys() - self._under_way:
            self._leaders.pop(place, None)
            for batch in [*self._queues[place]]:
                self._fail(batch, error)

    def _keep(self, wanted: Container[str]) -> None:
        self._leaders.keep(wanted)
        self._identities.keep(wanted)
