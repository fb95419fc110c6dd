"""Single copies that probe whether avoided topics accept records again. Only their own runs wait for them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings
from router.copying.copies import Source
from router.planning.plan import Copy

_PATIENCE_S: Final = 3.0  # less than half a session timeout: a router waits for its runs before it revokes partitions
_PURGE_S: Final = 0.01  # ten times what a purge takes, unless DNS is being asked; later records are not purged

Job = TypeVar("Job")


@dataclass(slots=True, eq=False)
class ProbeCopy(Generic[Job]):
    """A copy sent as a probe, and the job of the run that it belongs to.

    ``partition`` is the one it was sent to, whatever its key; -1 if its key decides. ``arrived`` says whether the
    broker accepted it; None while unknown.
    """

    copy: Copy
    source: Source
    job: Job
    partition: int
    arrived: bool | None = None

    def report(self, error: KafkaError | None, _: Message) -> None:
        """Record the result; the delivery callback of ``produce``."""
        self.arrived = error is None


class ProbeCopies(Generic[Job]):
    """Sends probes, at any time only those of a single run.

    So however many topics are avoided, at most one run waits for probes, and not longer than ``_PATIENCE_S``.
    """

    def __init__(self, settings: Settings) -> None:
        # Not idempotent: one probe per topic at a time needs no ordering, and one that was given up may be stored all
        # the same. An idempotent producer could not drop what is in flight and go on.
        self._config = client_config(
            settings, {"acks": "all", "linger.ms": 0, "topic.metadata.propagation.max.ms": 1_000}
        )
        self._producer: Producer | None = None  # created when first needed, which is rare
        self._sent_at = 0.0
        self.out: list[ProbeCopy[Job]] = []
        """Probes whose result is not known yet."""

    def may_leave(self, job: Job) -> bool:
        """Return whether a copy of ``job`` may be sent as a probe now: no other run's probes are out."""
        return not self.out or self.out[0].job is job

    def send(self, copy: Copy, source: Source, job: Job, *, partition: int) -> None:
        """Send ``copy`` to ``partition`` of its topic, as a probe of ``job``; never waits."""
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
        """Return the probes whose result is known by now, each once; after ``_PATIENCE_S`` all others have failed."""
        if not self.out or self._producer is None:
            return ()
        self._producer.poll(0)
        if time.monotonic() - self._sent_at > _PATIENCE_S:
            self._producer.purge(in_queue=True, in_flight=True, blocking=True)  # asks no broker; see ``Transactions``
            self._producer.poll(_PURGE_S)
            for probe in self.out:
                probe.arrived = bool(probe.arrived)
        back = [probe for probe in self.out if probe.arrived is not None]
        self.out = [probe for probe in self.out if probe.arrived is None]
        return back
