"""An attempt log that nobody reads."""

from contextlib import AbstractContextManager

from typing_extensions import override

from eventstreams.control.snapshot import Snapshot
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock
from sink_workers.delivery.attempt_log import AttemptLog


class Forgotten(AbstractContextManager[object]):
    """Accepts what an attempt log writes, as a Kafka client would."""

    waiting = 0

    @override
    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def offer(self, topic: str, value: bytes, *, weight: int) -> None:
        """Drop it."""

    def poll(self) -> None:
        """Nothing is queued."""


def no_log(settings: Settings, sink_type: str, *, metrics: Metrics, clock: Clock) -> AttemptLog:
    """Return an attempt log like a worker's, of which nothing reaches Kafka."""
    return AttemptLog(
        settings, sink_type, snapshot=Snapshot(), metrics=metrics, clock=clock, producer=lambda _: Forgotten()
    )
