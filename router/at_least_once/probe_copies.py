"""Single copies to topics that are avoided, to see whether these take them again. Only their own runs wait for them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings
from router.copying.copies import Source
from router.planning.plan import Copy

_PATIENCE_S: Final = 3.0  # less than half a session: a router that has to give partitions away waits for its runs
_PURGE_S: Final = 0.01  # a purge takes a tenth of it, unless a name is being looked up; what is sent next is kept

Job = TypeVar("Job")


@dataclass(slots=True, eq=False)
class ProbeCopy(Generic[Job]):
    """One copy on its way, and the run that it belongs to.

    ``partition``: where it went, whatever its key; -1: where that says. ``arrived``: whether that took it; None: not
    known yet.
    """

    copy: Copy
    source: Source
    job: Job
    partition: int
    arrived: bool | None = None

    def report(self, error: KafkaError | None, _: Message) -> None:
        """For ``produce`` to say what became of it."""
        self.arrived = error is None


class ProbeCopies(Generic[Job]):
    """Sends them out in parties, one for each topic, all of one run, and one party at a time.

    So however many topics are avoided, one run at most waits for them, and no longer than ``_PATIENCE_S``.
    """

    def __init__(self, settings: Settings) -> None:
        # Not idempotent: there is one copy for a topic at a time, and what was given up may be there nevertheless.
        # An idempotent producer cannot forget what is under way and go on.
        self._config = client_config(
            settings, {"acks": "all", "linger.ms": 0, "topic.metadata.propagation.max.ms": 1_000}
        )
        self._producer: Producer | None = None  # made when it is needed: seldom
        self._sent_at = 0.0
        self.out: list[ProbeCopy[Job]] = []
        """Those of which it is not known yet what became of them."""

    def may_leave(self, job: Job) -> bool:
        """Whether a copy of ``job`` may go."""
        return not self.out or self.out[0].job is job

    def send(self, copy: Copy, source: Source, job: Job, *, partition: int) -> None:
        """Have ``copy`` try its topic, in ``partition``."""
        if self._producer is None:
            self._producer = Producer(self._config)
        probe = ProbeCopy(copy, source, job, partition)
        if not self.out:
            self._sent_at = time.monotonic()
        self.out.append(probe)
        try:
            self._producer.produce(
                copy.topic, source.value, source.key, partition, headers=list(copy.headers), on_delivery=probe.report
            )
        except (BufferError, KafkaException):
            probe.arrived = False

    def back(self) -> Sequence[ProbeCopy[Job]]:
        """Those of which it is known by now; one that was out for too long has not arrived."""
        if not self.out or self._producer is None:
            return ()
        self._producer.poll(0)
        if time.monotonic() - self._sent_at > _PATIENCE_S:
            self._producer.purge(in_queue=True, in_flight=True, blocking=True)  # waits for nobody; see ``Transactions``
            self._producer.poll(_PURGE_S)
            for probe in self.out:
                probe.arrived = bool(probe.arrived)
        back = [probe for probe in self.out if probe.arrived is not None]
        self.out = [probe for probe in self.out if probe.arrived is None]
        return back
