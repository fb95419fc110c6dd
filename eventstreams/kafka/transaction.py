"""Writes several records atomically: a ``read_committed`` reader sees all of them or none.

A transactional id has one owner. Whoever opens it last fences the others: their open transactions are aborted, and
they can write no more. So if two processes both believe that they are in charge, only one can write.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.headers import Headers
from eventstreams.kafka.config import client_config
from eventstreams.kafka.producer import LASTING
from eventstreams.settings import Settings

# Readers of a topic wait for its open transactions. One that a dead process left behind is aborted by the broker after
# this time (it checks every ten seconds), or at once by the next owner.
TRANSACTION_S: Final = 10.0
_OPEN_S: Final = 10.0
_TURN_S: Final = 0.1

_T = TypeVar("_T")
_FENCED: Final = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001 - its public name
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to write."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Written:
    """The records are committed; or, after ``open``, no transaction of an earlier owner is open any more.

    Attributes:
        ends: For each topic the offset after its last record, if the producer has ``notes_ends``. Only meaningful for
            topics with one partition.
    """

    ends: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Fenced:
    """Another process owns the transactional id now: nothing more can be written.

    These records were not written either, unless the commit reached the broker and only its answer was lost. By
    opening the id, the new owner has settled which of the two it is.
    """


@dataclass(frozen=True, slots=True)
class Unwritten:
    """The records were not written, or that is unknown. Call ``open`` before the next write: it settles which.

    Attributes:
        text: Kafka's error text.
        lasting: No broker will ever accept one of these records.
    """

    text: str
    lasting: bool = False


Outcome = Written | Fenced | Unwritten


class TransactionalProducer:
    """Writes under one transactional id. Make one call at a time. Use as ``async with``."""

    def __init__(self, settings: Settings, transactional_id: str, *, notes_ends: bool = False) -> None:
        self._settings = settings
        self._notes_ends = notes_ends
        self._ends: dict[str, int] = {}
        self._transactional_id = transactional_id
        self._client: Producer | None = None
        self._refused: KafkaError | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-transaction")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A write in progress is finished first: a thread cannot be interrupted, and the broker decides its outcome.
        await self._run(self._forget)
        self._thread.shutdown()

    async def open(self) -> Written | Unwritten:
        """Become the owner: fence the previous one, and have its open transaction aborted."""
        return await self._run(self._open)

    async def write(self, records: Sequence[Outgoing]) -> Outcome:
        """Write all of ``records``, or none. Call ``open`` first."""
        return await self._run(lambda: self._write(records))

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- on the client's thread ------------------------------------------------------------------------------

    def _open(self) -> Written | Unwritten:
        self._forget()
        client = Producer(
            client_config(
                self._settings,
                {
                    "transactional.id": self._transactional_id,
                    "transaction.timeout.ms": int(TRANSACTION_S * 1000),
                    "linger.ms": 0,  # the commit waits for the records anyway
                    "compression.type": "lz4",
                    "message.max.bytes": 4 << 20,  # the topics decide what is too large
                    "topic.metadata.propagation.max.ms": 5000,  # a topic that is gone is given up sooner
                    "delivery.report.only.error": not self._notes_ends,
                    "on_delivery": self._report,
                },
            )
        )
        try:
            client.init_transactions(_OPEN_S)
        except KafkaException as error:
            return Unwritten(error.args[0].str())
        self._client = client
        return Written()

    def _write(self, records: Sequence[Outgoing]) -> Outcome:
        client = self._client
        if client is None:
            return Unwritten("not open")
        self._refused, self._ends = None, {}
        deadline = time.monotonic() + TRANSACTION_S
        try:
            client.begin_transaction()
            for record in records:
                self._produce(client, record)
            # Not `flush`: it would call the delivery report of a failed record while it has an exception pending.
            while len(client) and time.monotonic() < deadline:
                client.poll(_TURN_S)
            self._commit(client, deadline)
        except KafkaException as error:
            return self._give_up(client, self._first_refusal() or error.args[0])
        return Written(self._ends)

    def _produce(self, client: Producer, record: Outgoing) -> None:
        while True:
            try:
                client.produce(record.topic, record.value, record.key, headers=list(record.headers))
            except BufferError:
                client.poll(_TURN_S)
            else:
                return

    def _commit(self, client: Producer, deadline: float) -> None:
        while True:
            try:
                client.commit_transaction(_TURN_S + max(deadline - time.monotonic(), 0))
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
            else:
                return

    def _give_up(self, client: Producer, error: KafkaError) -> Fenced | Unwritten:
        """Abort the transaction, so that readers need not wait until it times out."""
        if error.code() in _FENCED:
            self._forget()
            return Fenced()
        text, lasting = error.str(), error.code() in LASTING
        try:
            client.abort_transaction(TRANSACTION_S)
        except KafkaException as problem:
            if problem.args[0].code() in _FENCED:
                self._forget()
                return Fenced()
            text = f"{text}; {problem.args[0].str()}"
        self._forget()
        return Unwritten(text, lasting)

    def _forget(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.purge()
            with suppress(KafkaException):  # being fenced is raised here again
                client.poll(0)

    def _first_refusal(self) -> KafkaError | None:
        return self._refused

    def _report(self, error: KafkaError | None, message: Message) -> None:
        self._refused = self._refused or error
        topic = message.topic()
        if error is None and topic is not None:
            self._ends[topic] = max(self._ends.get(topic, 0), (message.offset() or 0) + 1)
