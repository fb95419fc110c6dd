"""One transactional producer for all copies of a router: copies and the events' offsets are committed together.

The transactional id is the router's name, or a random one if it has none, and a number that starts at 0. A router with
the same name thus ends at once what its predecessor left open, unless that had reached a higher number (see ``leave``).
What keeps two routers from routing the same events is not the id but the place in the group: offsets that a member
sends after its partitions went to another member are refused, and the copies with them.
"""

import struct
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from eventstreams.errors import FatalProducerError
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics

_log = get_logger(__name__)

TRANSACTION_S: Final = 30.0
"""How long, with up to ten seconds more, readers of subscription topics wait for a transaction that a dead router
without a name left open. Also: copies of which none is acknowledged for this long are given up and made again, and a
commit whose outcome Kafka does not tell for this long ends the router."""

_BUFFER_COPIES: Final = 100_000  # what one router makes in a second: bounds memory, and what a crash repeats
_BUFFER_KIB: Final = 128 << 10  # of values: as many copies of events of 1.3 KiB

_T = TypeVar("_T")
_TURN_S: Final = 1.0
_PAUSE_S: Final = 0.1
_GRACE_S: Final = 1.0  # for a call to report its time-out itself
_NO_END: Final = -1.0  # no time-out, as librdkafka advises for commits: one that is cut short may lose its place
_OFFSETS_S: Final = 10.0
_OPEN_S: Final = 10.0  # for a call, and also how long one id is tried
_ABORT_S: Final = 5.0
_PUT_OUT: Final = frozenset(
    {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID}
)

_SILENCE: Final = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT})  # noqa: SLF001 - their public names
_UNKNOWN: Final = (
    f"Kafka did not say within {TRANSACTION_S:.0f} s whether a transaction of copies was committed; the next "
    "router to start finds out, and continues from there"
)


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place in its group, in one generation.

    Attributes:
        group: The group's id.
        generation: The group's generation.
        member: The member's id.
        instance: The member's name (``group.instance.id``), if it has one.
    """

    group: str
    generation: int
    member: str
    instance: str | None

    def as_bytes(self) -> bytes:
        """Encode like ``Consumer.consumer_group_metadata`` of confluent-kafka, which the producer accepts."""
        name = b"\1" if self.instance is None else b"\0" + self.instance.encode() + b"\0"
        names = self.group.encode() + b"\0" + self.member.encode() + b"\0"
        return b"CGMDv2:" + struct.pack("=i", self.generation) + names + name


class OverdueError(Exception):
    """A call takes longer than allowed. It is still running, so its client cannot be used any more."""


class SpoiltError(Exception):
    """Nothing of the transaction was or can be committed: it has to be started anew."""


class Transactions(dict[str, Callable[..., None]]):
    """Maps each topic to the ``produce`` of the one client. For use by one thread only.

    There is one client for all topics, however many, as two clients never share a transaction.
    """

    def __init__(self, settings: Settings, *, turned: Callable[[], None]) -> None:
        """Open nothing before the first ``begin``.

        Args:
            settings: How to reach Kafka, and the router's name.
            turned: Called about every second while waiting.
        """
        super().__init__()
        self._settings = settings
        self._turned = turned
        self._id = f"{Topics(settings).group('router')}.{settings.instance or uuid.uuid4().hex}"
        self._opened = 0
        self._client: Producer | None = None

    def __missing__(self, topic: str) -> Callable[..., None]:
        assert self._client is not None
        produce: Callable[..., None] = self._client.produce
        self[topic] = produce
        return produce

    def begin(self) -> None:
        """Begin a transaction; the previous one must be over. Waits while no broker answers.

        Raises:
            FatalProducerError: this router is not allowed to, or cannot for another lasting reason.
        """
        client = self._client or self._open()
        self._raising(client.begin_transaction)

    def flush(self, timeout_s: float) -> int:
        """Wait at most ``timeout_s`` for the brokers to answer for every copy; return how many are left.

        Raises:
            FatalProducerError: the producer can never deliver again; nothing is known of its copies.
        """
        assert self._client is not None
        client = self._client
        return self._raising(lambda: client.flush(timeout_s))

    def give_back(self) -> None:
        """Purge copies that are queued but not sent, so that each is reported as failed; those in flight stay."""
        assert self._client is not None
        # ``blocking`` means its opposite in confluent-kafka 2.16: this call does not block. A blocking one waits for
        # librdkafka's threads with the interpreter's lock held, so nothing runs while one of them resolves a name.
        self._client.purge(in_queue=True, in_flight=False, blocking=True)

    def answered(self, topic: str, timeout_s: float) -> bool:
        """Return whether any broker answers a metadata request for ``topic`` within ``timeout_s``."""
        assert self._client is not None
        try:
            self._client.list_topics(topic, timeout=timeout_s)
        except KafkaException:
            return False
        return True

    def headless(self, topics: set[str]) -> set[tuple[str, int]] | None:
        """Return the partitions of ``topics`` without a leader, -1 for a missing topic; None if no broker answers."""
        assert self._client is not None
        try:
            found = self._client.list_topics(timeout=_TURN_S).topics
        except KafkaException:
            return None
        there = {topic: found[topic].partitions for topic in topics if topic in found}
        without = {(topic, number) for topic, each in there.items() for number in each if each[number].leader < 0}
        return without | {(topic, -1) for topic in topics - there.keys()}

    def commit(self, offsets: Sequence[TopicPartition], seat: Seat) -> bool:
        """Commit the copies made since ``begin``, all of them acknowledged, together with ``offsets``.

        Returns:
            False if nothing was committed because ``seat`` is not a place in the group any more.

        Raises:
            SpoiltError: nothing was committed, for example because Kafka did not take ``offsets`` in time.
            FatalProducerError: the outcome is unknown, for example because Kafka did not answer within
                ``TRANSACTION_S``; a router that starts anew reads it from Kafka. Or the producer cannot go on.
        """
        client, place = self._client, seat.as_bytes()
        assert client is not None
        begun = False
        try:
            self._at_most(_OFFSETS_S, lambda: client.send_offsets_to_transaction(list(offsets), place, _OFFSETS_S))
            begun = True  # separate calls: one that is overdue before this commits nothing, whenever it goes on
            self._at_most(TRANSACTION_S, lambda: client.commit_transaction(_NO_END))
        except OverdueError as overdue:
            if not begun:
                raise SpoiltError(f"Kafka did not accept offsets for {_OFFSETS_S:.0f} s") from overdue
            raise FatalProducerError(_UNKNOWN) from overdue
        except KafkaException as problem:
            error: KafkaError = problem.args[0]
            if begun and error.code() in _SILENCE:
                raise FatalProducerError(_UNKNOWN) from problem
            if not begun and error.retriable():
                raise SpoiltError(error.str()) from problem
            if not error.txn_requires_abort():
                raise FatalProducerError(f"Kafka's producer gave up: {error.str()}") from problem
            if error.code() in _PUT_OUT:
                self._abort()
                return False
            raise SpoiltError(error.str()) from problem
        return True

    def leave(self) -> None:
        """Abort, and continue with another client under another id.

        A transaction that involves a partition without a leader does not end before there is one again, and until then
        its id cannot begin another.
        """
        self._abort()
        if self._client is not None:
            self._forget()

    def _abort(self) -> None:
        client = self._client
        if client is None:
            return
        try:
            self._at_most(_ABORT_S, lambda: client.abort_transaction(_ABORT_S))
        except (KafkaException, OverdueError) as error:  # the broker aborts by itself after ``TRANSACTION_S``
            _log.warning("transaction.not_aborted", error=_text(error), follows="another id is used")
            self._forget()

    def _forget(self) -> None:
        client, self._client = self._client, None
        self.clear()
        if client is not None:
            client.purge()
            with suppress(KafkaException, SystemError):
                client.poll(0)

    def _open(self) -> Producer:
        """Open a client under the next id that is free; waits while no broker answers."""
        while True:
            client = Producer(transactional_config(self._settings, f"{self._id}.{self._opened}"))
            self._opened += 1
            try:
                self._at_most(_OPEN_S, lambda client=client: client.init_transactions(_OPEN_S))  # type: ignore[misc]
            except (KafkaException, OverdueError) as problem:
                if isinstance(problem, KafkaException) and not problem.args[0].retriable():
                    raise FatalProducerError(
                        f"Kafka does not start transactions for this router: {_text(problem)}"
                    ) from problem
                _log.warning("transaction.not_opened", error=_text(problem), follows="it is retried")
            else:
                self._client = client
                return client

    def _at_most(self, seconds: float, call: Callable[[], object]) -> None:
        """Make ``call`` on a thread of its own; repeat it after a retriable error, as librdkafka then resumes it.

        librdkafka does not keep all its time-outs: ``send_offsets_to_transaction`` waits forever for a group
        coordinator if it believes it to be on the wrong broker (librdkafka#5456, #5511).

        Raises:
            OverdueError: it is still running after ``seconds`` and ``_GRACE_S`` more.
        """
        until = time.monotonic() + seconds
        answer: Future[None] = Future()
        # A daemon thread, not an executor's: the process can exit while it is stuck.
        threading.Thread(target=_answer, args=(answer, call, until), name="router-transaction", daemon=True).start()
        while not wait([answer], _TURN_S).done:
            self._turned()
            if time.monotonic() > until + _GRACE_S:
                raise OverdueError("no answer in time")
        answer.result()

    @staticmethod
    def _raising(call: Callable[[], _T]) -> _T:
        try:
            return call()
        except (KafkaException, SystemError) as error:
            raise FatalProducerError(f"Kafka's producer gave up: {error.__cause__ or error}") from error


def _answer(answer: "Future[None]", call: Callable[[], object], until: float) -> None:
    try:
        _until_answered(call, until)
    except BaseException as error:  # noqa: BLE001 - the waiting thread gets it
        answer.set_exception(error)
    else:
        answer.set_result(None)


def _until_answered(call: Callable[[], object], until: float) -> None:
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _text(error: Exception) -> str:
    return error.args[0].str() if isinstance(error, KafkaException) else str(error)


def transactional_config(settings: Settings, transactional_id: str) -> dict[str, object]:
    """Return the configuration of a client that writes copies in transactions."""
    return client_config(
        settings,
        {
            "linger.ms": 10_000,  # a flush sends; only a full batch goes sooner
            "batch.size": 1 << 20,
            "message.max.bytes": 4 << 20,
            "queue.buffering.max.messages": _BUFFER_COPIES,
            "queue.buffering.max.kbytes": _BUFFER_KIB,
            "topic.metadata.propagation.max.ms": 5_000,  # a deleted topic stalls the lane this long
            "socket.timeout.ms": 10_000,  # and a broker that hangs this long
            "delivery.report.only.error": True,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(TRANSACTION_S * 1000),
        },
    )
