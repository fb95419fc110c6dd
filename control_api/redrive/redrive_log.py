"""Writes entries for the delivery log about events that jobs have copied. Best effort: nothing waits for it."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from control_api.redrive.copies import Copy
from eventstreams.attempts import Entry, EntryKind, encode
from eventstreams.headers import ID, TYPE, DeliveryProgress, subscriber_of
from eventstreams.kafka.best_effort import BestEffortProducer
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import Topics

_MOST_ENTRIES: Final = 256  # in a record, as in workers: what a reader takes at once


class RedriveLog:
    """Use as ``with``: on exit, pending entries are sent."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._topic = Topics(settings).attempts
        self._dropped = metrics.attempt_log_dropped
        self._producer = BestEffortProducer(settings, on_dropped=self._drop)

    def __enter__(self) -> Self:
        self._producer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.__exit__(kind, error, trace)

    def tell(self, copies: Sequence[Copy], at_ms: int) -> None:
        """Report that ``copies`` were written, at ``at_ms`` or a little later."""
        for first in range(0, len(copies), _MOST_ENTRIES):
            some = copies[first : first + _MOST_ENTRIES]
            entries = [entry for copy in some if (entry := redriven(copy, at_ms=at_ms)) is not None]
            self._producer.offer(self._topic, encode(entries), weight=len(entries))
        self._producer.poll()

    def _drop(self, entries: int) -> None:
        self._dropped.labels("redrive").inc(entries)


def redriven(copy: Copy, *, at_ms: int) -> Entry | None:
    """The log's entry about ``copy``; None if its headers cannot be read."""
    headers = dict(copy.record.headers)
    progress = DeliveryProgress.parse(headers)
    if not isinstance(progress, DeliveryProgress):
        return None
    return Entry(
        kind=EntryKind.REDRIVEN.value,
        at_ms=at_ms,
        event_id=_text(headers.get(ID)),
        event_type=_text(headers.get(TYPE)),
        account_sid=_text(subscriber_of(headers)),
        subscription_sid=progress.subscription_sid,
        sink_sid=copy.sink_sid,
        sink_type=copy.sink_type,
        attempt=0,
        duration_ms=None,
        accepted_ms=progress.accepted_at_ms,
        deadline_ms=progress.deadline_ms,
        origin=copy.record.topic,  # its offset is not known here
        rests_at=copy.record.topic,
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
