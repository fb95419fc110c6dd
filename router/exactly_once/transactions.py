"""One transactional producer for all copies of a router: copies and how far it has read are committed as one.

The transactional id is the router's name, if it has one, and a number that begins at 0: so who comes with the same name
ends at once what its predecessor left open, if that had not come to a higher number (see ``leave``). What keeps two
routers from routing the same events is not the id but the place in the group: offsets that a member sends after its
partitions went to somebody else are refused, and the copies with them.
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
"""Who reads subscription topics waits so long, and up to ten seconds more, for what a dead router without a name left
open. Copies of which none is acknowledged for so long are given up and made again. A commit of which Kafka does not
say for so long what became of it ends the router."""

_BUFFER_COPIES: Final = 100_000  # a second of what one router makes: bounds memory, and what a crash repeats
_BUFFER_KIB: Final = 128 << 10  # of values; as many copies of events of 1.3 KiB

_T = TypeVar("_T")
_TURN_S: Final = 1.0
_PAUSE_S: Final = 0.1
_GRACE_S: Final = 1.0  # for a call to say itself that its time is over
_NO_END: Final = -1.0  # librdkafka's advice for commits: one that is cut short may lose its place
_OFFSETS_S: Final = 10.0
_OPEN_S: Final = 10.0  # a call, and also how long one id is tried for
_ABORT_S: Final = 5.0
_PUT_OUT: Final = frozenset(
    {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID}
)

_SILENCE: Final = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT})  # noqa: SLF001 - their public names
_UNKNOWN: Final = (
    f"Kafka did not say for {TRANSACTION_S:.0f} s whether a transaction of copies is committed; "
    "the router that is started next asks what was, and goes on from there"
)


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place in its group, of one generation.

    Attributes:
        instance: Its name, where it has one.
    """

    group: str
    generation: int
    member: str
    instance: str | None

    def as_bytes(self) -> bytes:
        """As ``Consumer.consumer_group_metadata`` of confluent-kafka gives it, which the producer takes."""
        name = b"\1" if self.instance is None else b"\0" + self.instance.encode() + b"\0"
        names = self.group.encode() + b"\0" + self.member.encode() + b"\0"
        return b"CGMDv2:" + struct.pack("=i", self.generation) + names + name


class OverdueError(Exception):
    """A call takes longer than it may. It goes on, so nothing more can be had of its client."""


class SpoiltError(Exception):
    """Nothing of the transaction was committed, and nothing of it can be: it is to be begun anew."""


class Transactions(dict[str, Callable[..., None]]):
    """By topic: the ``produce`` of the one client. For one thread alone.

    One for all topics, however many there are: what two clients write is never one transaction.
    """

    def __init__(self, settings: Settings, *, turned: Callable[[], None]) -> None:
        """Not open before the first ``begin``.

        Args:
            settings: Which Kafka, and the router's name.
            turned: Called about every second while there is anything to wait for.
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
        """Begin a transaction; the one before is over.

        Raises:
            FatalProducerError: this router may not, or cannot for another reason that lasts.
        """
        client = self._client or self._open()
        self._raising(client.begin_transaction)

    def flush(self, timeout_s: float) -> int:
        """Wait until the brokers have answered for every copy, at most ``timeout_s``; how many are left.

        Raises:
            FatalProducerError: it can never deliver again; nothing is known of its copies.
        """
        assert self._client is not None
        client = self._client
        return self._raising(lambda: client.flush(timeout_s))

    def give_back(self) -> None:
        """Let what cannot be sent be reported, each copy with an error of its own; what was sent stays."""
        assert self._client is not None
        # ``blocking`` means its opposite in confluent-kafka 2.16: this one waits for nobody. One that waits for
        # librdkafka's threads keeps the interpreter's lock, and nothing runs while one of them looks up a name.
        self._client.purge(in_queue=True, in_flight=False, blocking=True)

    def answered(self, topic: str, timeout_s: float) -> bool:
        """Whether any broker says within ``timeout_s`` where ``topic`` is."""
        assert self._client is not None
        try:
            self._client.list_topics(topic, timeout=timeout_s)
        except KafkaException:
            return False
        return True

    def headless(self, topics: set[str]) -> set[tuple[str, int]] | None:
        """The partitions of ``topics`` without a leader; of a topic that is not there, -1. None: no broker answers."""
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
            False: nothing was committed, as ``seat`` is not a place in the group any more.

        Raises:
            SpoiltError: nothing was committed, for one because Kafka did not take ``offsets`` in time.
            FatalProducerError: nobody knows, for one because Kafka did not say within ``TRANSACTION_S``; who begins
                anew reads what was.
        """
        client, place = self._client, seat.as_bytes()
        assert client is not None
        begun = False
        try:
            self._at_most(_OFFSETS_S, lambda: client.send_offsets_to_transaction(list(offsets), place, _OFFSETS_S))
            begun = True  # not in one call: what is overdue before this commits nothing, whenever it goes on
            self._at_most(TRANSACTION_S, lambda: client.commit_transaction(_NO_END))
        except OverdueError as overdue:
            if not begun:
                raise SpoiltError(f"Kafka did not take offsets for {_OFFSETS_S:.0f} s") from overdue
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
        """Abort, and go on with another client under another id.

        A transaction that has to do with a partition without a leader ends when that has one again, and there is no
        other with its id before.
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
        except (KafkaException, OverdueError) as error:  # the broker does it by itself, after ``TRANSACTION_S``
            _log.warning("transaction.not_aborted", error=_text(error), follows="another id is taken")
            self._forget()

    def _forget(self) -> None:
        client, self._client = self._client, None
        self.clear()
        if client is not None:
            client.purge()
            with suppress(KafkaException, SystemError):
                client.poll(0)

    def _open(self) -> Producer:
        """Under the next id that comes free; waits while no broker answers."""
        while True:
            client = Producer(transactional_config(self._settings, f"{self._id}.{self._opened}"))
            self._opened += 1
            try:
                self._at_most(_OPEN_S, lambda client=client: client.init_transactions(_OPEN_S))  # type: ignore[misc]
            except (KafkaException, OverdueError) as problem:
                if isinstance(problem, KafkaException) and not problem.args[0].retriable():
                    raise FatalProducerError(
                        f"Kafka opens no transactions for this router: {_text(problem)}"
                    ) from problem
                _log.warning("transaction.not_opened", error=_text(problem), follows="it is tried again")
            else:
                self._client = client
                return client

    def _at_most(self, seconds: float, call: Callable[[], object]) -> None:
        """Make ``call``, on a thread of its own; the same again where that fails for the moment: librdkafka goes on.

        The time-outs of librdkafka do not all hold: ``send_offsets_to_transaction`` waits for ever for a group's
        coordinator that it believes to be where it is not (librdkafka#5456, #5511).

        Raises:
            OverdueError: it goes on after ``seconds``, and ``_GRACE_S`` more.
        """
        until = time.monotonic() + seconds
        answer: Future[None] = Future()
        # A daemon, and no executor's: the process ends while it is stuck.
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
    except BaseException as error:  # noqa: BLE001 - who waits gets it
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
    """Of a client that writes copies in transactions."""
    return client_config(
        settings,
        {
            "linger.ms": 10_000,  # a flush says when; only a batch that is full goes sooner
            "batch.size": 1 << 20,
            "message.max.bytes": 4 << 20,
            "queue.buffering.max.messages": _BUFFER_COPIES,
            "queue.buffering.max.kbytes": _BUFFER_KIB,
            "topic.metadata.propagation.max.ms": 5_000,  # a topic that is gone stalls the lane this long
            "socket.timeout.ms": 10_000,  # and a broker that hangs this long
            "delivery.report.only.error": True,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(TRANSACTION_S * 1000),
        },
    )
