"""Makes copies with idempotent producers, and sees to it that the brokers have them. For the lane's thread alone.

No Python callback is needed for a copy that was acknowledged: only failures are reported, and a flush tells the rest.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from eventstreams.errors import FatalProducerError
from eventstreams.headers import KNOWN, MAX_DETAIL_BYTES, Headers, dead_headers
from eventstreams.kafka.producer import LASTING
from eventstreams.reasons import DeadReason
from eventstreams.telemetry.logging import get_logger
from router.batches import Batch
from router.copying.avoided_topics import AvoidedTopics
from router.copying.producers import Producers
from router.exactly_once.transactions import Transactions
from router.planning.plan import Copy, Planner, Run

RETRY_S: Final = 0.5
TURN_S: Final = 1.0
STUCK_S: Final = 5.0  # a leader that ends in order is replaced within one or two
_STRIKES: Final = 3  # of a topic that refuses: a new one is refused, too, until all brokers know it

_log = get_logger(__name__)

Restore = Callable[[set[str]], set[str] | None]
"""Of topics that did not take a copy: makes again those that are needed and missing. Returns those that are missing
and that no route leads to any more; None where no broker answers."""


class Source(Protocol):
    """What a copy shares with its event: these very bytes."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class _Nothing:
    key: None = None
    value: None = None


NOTHING: Final = _Nothing()
_Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Failed:
    """A copy that the broker did not acknowledge; ``partition``: for which it was, where that is known, or -1."""

    error: KafkaError
    copy: Copy
    source: Source
    partition: int

    @property
    def lasts(self) -> bool:
        """Whether no broker will ever take it."""
        return self.error.code() in LASTING


@dataclass(frozen=True, slots=True)
class Lost:
    """As ``Failed``, of a copy of which only the place of its record is known."""

    error: KafkaError
    topic: str
    partition: int
    run: Run
    batch: Batch
    offset: int


class Copies:
    """``make`` any number, then ``settle``."""

    def __init__(
        self,
        planner: Planner,
        *,
        dead_topic: str,
        restore: Restore,
        avoided_topics: AvoidedTopics,
        turned: Callable[[], None],
        produces: Producers | Transactions,
    ) -> None:
        """No copies yet.

        Args:
            planner: Asked again for copies that failed.
            dead_topic: Where copies go that the broker will never take. There is no way around it.
            restore: Asked before copies that failed are repeated or given up.
            avoided_topics: Hears of topics that take nothing, and knows where their copies go.
            turned: Called about every second while there is anything to wait for.
            produces: The client's own, for who makes many.
        """
        self._dead_topic = dead_topic
        self._restore = restore
        self._avoided_topics = avoided_topics
        self._turned = turned
        self._planner = planner
        self._failed: list[Failed] = []
        self._lost: list[Lost] = []
        self.dropped = 0
        """How many are on no subscription's topic although they were made: nobody wants them any more, or no broker
        takes them. For others to take from."""
        self.turns = 0
        """In how many waits of ``TURN_S`` brokers acknowledged any: whoever looks sees that it goes on."""
        self.produces = produces
        """What it raises, ``make`` and ``refuse`` deal with."""

    def report(self, run: Run, batch: Batch, offset: int, error: KafkaError | None, message: Message) -> None:
        """For ``produce`` to say what became of a copy of the record at ``offset`` of ``batch``."""
        if error is not None:
            topic = message.topic()
            assert topic is not None
            self._lost.append(Lost(error, topic, partition_of(message), run, batch, offset))

    def refuse(self, lost: Lost, copy: Copy, source: Source) -> None:  # noqa: ARG002 - who cannot repeat it needs it
        """As ``report``, of a copy that ``produce`` raised an error for."""
        self.make(copy, source)

    def _report(self, copy: Copy, source: Source, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(Failed(error, copy, source, partition_of(message)))

    def make(self, copy: Copy, source: Source) -> None:
        """Hand ``copy`` to the client; waits while its buffer is full."""
        while True:
            try:
                self.produces[copy.topic](
                    copy.topic,
                    source.value,
                    source.key,
                    copy.partition,
                    headers=copy.headers,
                    on_delivery=partial(self._report, copy, source),
                )
            except BufferError:
                self._flush()
            except KafkaException as error:  # the client knows already that the topic is gone
                self._failed.append(Failed(error.args[0], copy, source, copy.partition))
                return
            else:
                return

    def settle(self) -> None:
        """Return once the brokers have every copy, on its topic or on its way around it; or its topic is gone.

        Raises:
            FatalProducerError: the producer can never deliver again; nothing is known of the copies.
        """
        strikes: Counter[_Place] = Counter()
        while self._flush():
            failed, self._failed = self._failed, []
            lost, self._lost = self._lost, []
            errors = [*(each.error for each in failed), *(each.error for each in lost)]
            for error in errors:
                if error.code() == KafkaError._FATAL:  # noqa: SLF001 - its public name
                    raise FatalProducerError(f"Kafka's producer gave up: {error.str()}")
            _log.warning("copies.not_acked", count=len(errors), error=errors[0].str(), follows="they are repeated")
            failed += self._read_again(lost)
            # Librdkafka has half a dozen codes for a topic that is gone, so the broker is asked, not the code.
            # What no broker will ever take needs no look, and nobody has to wait for it to become a dead letter.
            topics = {each.copy.topic for each in failed if not each.lasts}
            gone = self._restore(topics) if topics else set[str]()
            if gone is None:  # no broker answers, which says nothing about the topics
                time.sleep(RETRY_S)
            else:
                failed = [each for each in failed if each.copy.topic not in gone]
                self._judge(failed, strikes)
            self.dropped += len(errors) - len(failed)
            self._turned()
            again = [self._again(each) for each in failed]
            # Of a copy that its key leads the partition is not known: any of its topic may be the one.
            struck = {*strikes, *((topic, -1) for topic, _ in strikes)}
            if any((copy.topic, copy.partition) in struck for copy, _ in again):
                time.sleep(RETRY_S)
            for copy, source in again:
                self.make(copy, source)
        if self.produces.are_many:
            self.produces.keep(self._planner.topics())

    def _read_again(self, lost: Sequence[Lost]) -> Iterator[Failed]:
        """The copies that were ``lost``, without those that nobody wants any more."""
        places: dict[Batch, tuple[Run, dict[tuple[int, str], Lost]]] = {}
        for each in lost:
            places.setdefault(each.batch, (each.run, {}))[1][each.offset, each.topic] = each
        for batch, (run, copies) in places.items():
            offsets = {offset for offset, _ in copies}
            for record in batch.records():
                if record.offset in offsets:
                    for copy in self._planner.plan(run, record):
                        if (found := copies.get((record.offset, copy.topic))) is not None:
                            yield Failed(found.error, copy, record, found.partition)

    def _judge(self, failed: Sequence[Failed], strikes: Counter[_Place]) -> None:
        """Have places avoided that take nothing although brokers answer."""
        for place, each in {(each.copy.topic, each.partition): each for each in failed}.items():
            if each.lasts and each.copy.topic != self._dead_topic:
                continue  # it becomes a dead letter at once
            strikes[place] += _STRIKES if each.error.code() == KafkaError._PURGE_QUEUE else 1  # noqa: SLF001 - its name
            if strikes[place] >= _STRIKES and each.copy.topic != self._dead_topic:
                self._avoided_topics.avoid(each.copy, each.partition)

    def _again(self, failed: Failed) -> tuple[Copy, Source]:
        """What to make in place of what failed."""
        copy, source = failed.copy, failed.source
        if not failed.lasts:
            return (self._avoided_topics.around(copy) if self._avoided_topics.avoids(copy) else copy), source
        if copy.topic != self._dead_topic:
            self.dropped += 1
            # Our topics take more than the events' own, so this needs an operator's hand; the partition goes on.
            reason, detail = DeadReason.TOO_LARGE, failed.error.str()
            origin = copy.home or copy.topic
            headers = dead_headers(copy.headers, None, origin=origin, reason=reason, code=reason.code, detail=detail)
            return Copy(self._dead_topic, headers), source
        # Not even the dead letters take it: compressed by its producer it was small enough for the events topic,
        # which still has it. What is left tells which event it was, and why.
        return Copy(self._dead_topic, _short(copy.headers)), NOTHING

    def _flush(self) -> bool:
        """Wait until the brokers have answered for every copy, or do not for ``STUCK_S``; whether any is not there."""
        left = least = self.produces.flush(TURN_S)
        since = time.monotonic()
        while left:
            before, bad = left, len(self._failed) + len(self._lost)
            left = self.produces.flush(TURN_S)
            self._turned()
            self.turns += before - left > len(self._failed) + len(self._lost) - bad  # what was given up is no progress
            # While no broker answers, all wait; as long as any copy is acknowledged, it is only slow.
            if left < least or not self.produces.answered(self._dead_topic, TURN_S):
                least, since = left, time.monotonic()
            elif time.monotonic() - since > STUCK_S:
                self.produces.give_back()
        return bool(self._failed or self._lost)


def partition_of(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition


def _short(headers: Headers) -> list[tuple[str, bytes]]:
    """Those of ``headers`` that we know and that are short. Whatever types say, a header's value can be none at all."""
    known = ((name, value or b"") for name, value in dict(headers).items() if name in KNOWN)
    return [(name, value) for name, value in known if len(value) <= MAX_DETAIL_BYTES]
