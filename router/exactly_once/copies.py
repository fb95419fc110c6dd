"""Copies within a transaction: one failed copy spoils it, and what was learnt from that is kept for the next try."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message
from typing_extensions import override

from eventstreams.errors import FatalProducerError
from eventstreams.telemetry.logging import get_logger
from router.copying.avoided_topics import AvoidedTopics
from router.copying.copies import NOTHING, RETRY_S, STUCK_S, TURN_S, Copies, Failed, Restore, Source
from router.exactly_once.transactions import TRANSACTION_S, SpoiltError, Transactions
from router.planning.plan import Copy, Run

_log = get_logger(__name__)

# Errors of the other copies in a transaction that one copy spoilt, and of purged copies: consequences, not causes.
_CONSEQUENCES: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._STATE})  # noqa: SLF001 - their public names

Place: TypeAlias = tuple[int, int, str]
"""Identifies a copy: its event's partition and offset, and the topic it was planned for."""


@dataclass(frozen=True, slots=True)
class _Spoiler:
    """A copy that was not acknowledged."""

    failed: Failed
    place: Place


class TransactionalCopies(Copies):
    """Like ``Copies``, but making and settling raise ``SpoiltError`` instead of repeating copies.

    Call ``begin``, ``make`` for each copy, ``settle``, then either ``committed``, or ``learn`` and ``begin`` again.
    """

    def __init__(
        self,
        *,
        dead_topic: str,
        restore: Restore,
        avoided_topics: AvoidedTopics,
        turned: Callable[[], None],
        transactions: Transactions,
    ) -> None:
        super().__init__(dead_topic=dead_topic, restore=restore, avoided_topics=avoided_topics, turned=turned)
        self._transactions = transactions
        self._spoilers: list[_Spoiler] = []
        self._strikes: Counter[tuple[str, int]] = Counter()
        self._suspects_id = False
        self._gone: set[str] = set()
        self._refused: dict[Place, KafkaError] = {}

    def begin(self) -> None:
        """Begin a transaction."""
        self._spoilers, self.dropped = [], 0
        self._transactions.begin()

    def committed(self) -> None:
        """Note that the transaction is committed: forget what was learnt for it."""
        self._strikes.clear()
        self._suspects_id = False
        self._gone.clear()
        self._refused.clear()

    @property
    def special(self) -> set[str]:
        """Topics whose copies must go through ``make``, as not all of them may be sent as planned."""
        return self._gone | {topic for _, _, topic in self._refused} | self._avoided_topics.avoided.keys()

    @property
    @override
    def topics(self) -> int:
        return len(self._transactions)

    def report(self, run: Run, offset: int, error: KafkaError | None, message: Message) -> None:
        """Delivery report for a copy, sent as planned, of the record at ``offset`` of ``run``."""
        if error is not None:
            topic, partition = message.topic(), partition_of(message)
            assert topic is not None
            failed = Failed(error, Copy(topic, [], partition), NOTHING, partition)
            self._spoilers.append(_Spoiler(failed, (run.partition, offset, topic)))

    def make(self, copy: Copy, source: Source, place: Place) -> None:
        """Send ``copy`` in the form that earlier attempts showed to be right: as is, detoured, as dead letter, or not.

        Raises:
            SpoiltError: the transaction cannot be committed any more.
            FatalProducerError: the producer can never deliver again.
        """
        if copy.topic in self._gone:
            self.dropped += 1
            return
        if (error := self._refused.get(place)) is not None:
            copy, source = self._again(Failed(error, copy, source, copy.partition))
            place = (*place[:2], copy.topic)
            if copy.topic == self._dead_topic and source is not NOTHING and place in self._refused:
                copy, source = self._again(Failed(self._refused[place], copy, source, copy.partition))
        elif self._avoided_topics.avoids(copy):
            copy = self._avoided_topics.around(copy)
        self._make(copy, source, place)

    def _make(self, copy: Copy, source: Source, place: Place) -> None:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._spoilers.append(_Spoiler(Failed(error, copy, source, partition_of(message)), place))

        while True:
            try:
                self._transactions[copy.topic](
                    copy.topic, source.value, source.key, copy.partition, headers=copy.headers, on_delivery=report
                )
            except BufferError:
                self.settle()
            except KafkaException as error:
                self._spoilers.append(_Spoiler(Failed(error.args[0], copy, source, copy.partition), place))
                raise SpoiltError(error.args[0].str()) from error
            else:
                return

    @override
    def settle(self) -> None:
        """Wait until the brokers have every copy made since ``begin``.

        Raises:
            SpoiltError: a copy failed, or none was acknowledged for as long as a transaction may take
                (``TRANSACTION_S``). No offsets were sent yet, so nobody can commit any of it.
            FatalProducerError: the producer can never deliver again.
        """
        left = least = self._transactions.flush(TURN_S)
        since = acknowledged = time.monotonic()
        while left and not self._spoilers:
            before, left = left, self._transactions.flush(TURN_S)
            self._turned()
            if left < before:
                self.turns += 1
                acknowledged = time.monotonic()
            elif time.monotonic() - acknowledged > TRANSACTION_S:
                raise SpoiltError(f"no broker acknowledged a copy for {TRANSACTION_S:.0f} s")
            if left < least or not self._transactions.answered(self._dead_topic, TURN_S):
                least, since = left, time.monotonic()
            elif time.monotonic() - since > STUCK_S:
                self._transactions.give_back()
        if self._spoilers:
            raise SpoiltError("a copy was not acknowledged")

    def learn(self) -> None:
        """Find out what spoilt the transaction, which is still open; the caller abandons it afterwards.

        Raises:
            FatalProducerError: the producer can never deliver again.
        """
        self._transactions.flush(0)  # serves the delivery reports that are there
        spoilers = self._spoilers
        for each in spoilers:
            if each.failed.error.code() == KafkaError._FATAL:  # noqa: SLF001 - its public name
                raise FatalProducerError(f"Kafka's producer gave up: {each.failed.error.str()}")
        causes = [each for each in spoilers if each.failed.error.code() not in _CONSEQUENCES]
        _log.warning(
            "transaction.spoilt",
            count=len(spoilers),
            error=(causes or spoilers)[0].failed.error.str() if spoilers else None,
            follows="all of it is repeated",
        )
        self._refused |= {each.place: each.failed.error for each in causes if each.failed.lasts}
        asked = [each.failed for each in causes or spoilers if not each.failed.lasts]
        if asked or not spoilers:
            time.sleep(RETRY_S)
        if asked:
            self._look_at(asked, is_cause=bool(causes))

    def _look_at(self, failed: Sequence[Failed], *, is_cause: bool) -> None:
        """Find out which topics of ``failed`` cannot take copies: not every one need be the cause."""
        topics = {each.copy.topic for each in failed}
        headless = self._transactions.headless(topics)
        gone = None if headless is None else self._restore(topics)
        if headless is None or gone is None:
            return  # no broker answers, which says nothing about the topics
        self._gone |= gone
        failed = [each for each in failed if each.copy.topic not in gone]
        if is_cause:
            self._judge(failed, self._strikes)
        elif headless:  # one unavailable partition keeps the rest of its transaction from being sent
            for each in {(each.copy.topic, each.partition): each for each in failed}.values():
                for topic, number in headless:
                    if topic == each.copy.topic != self._dead_topic and number >= 0 and each.partition in {number, -1}:
                        self._avoided_topics.avoid(each.copy, number)
        elif self._suspects_id:
            self._judge(failed, self._strikes)
        # A transaction waits for the previous one of the same id, which waits for every partition that it wrote to.
        self._suspects_id = not is_cause


def partition_of(message: Message) -> int:
    """Return the partition that ``message`` was sent to; -1 if unknown."""
    partition = message.partition()
    return -1 if partition is None else partition
