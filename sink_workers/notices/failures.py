"""Watches the outcomes of deliveries, and publishes a notice when the owner of a failing sink is to be notified."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.snapshot import Snapshot
from eventstreams.events import Event
from eventstreams.headers import DeliveryProgress
from eventstreams.kafka.producer import AckedProducer
from eventstreams.process import Process
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from sink_workers.notices.cadence import Cadence
from sink_workers.notices.notice import notice
from sink_workers.notices.outbox import Outbox
from sink_workers.notices.readers import ErrorLogReaders

_ERROR_LOGS: Final = "com.twilio.error-logs."


class FailureNotices:
    """Receives every outcome, and decides at once, without waiting.

    Failures to deliver an error log are ignored, whatever the sink: otherwise a broken sink that is subscribed to error
    logs would be sent notices about its own notices.
    """

    def __init__(
        self, snapshot: Snapshot, readers: ErrorLogReaders, cadence: Cadence, post: Callable[[Event], None]
    ) -> None:
        """The caller keeps ``snapshot`` and ``readers`` current. ``post`` publishes a notice and never waits."""
        self._snapshot = snapshot
        self._readers = readers
        self._cadence = cadence
        self._post = post

    def settled(self, sink_sid: str, subscription_sid: str, event_type: str, outcome: DeliveryOutcome) -> None:
        """Note that an attempt at an event of ``event_type`` ended with ``outcome``."""
        match outcome:
            case Delivered():
                self._cadence.delivered(sink_sid)
            case RetryLater(reason=reason) | Rejected(reason=reason):
                self._failed(sink_sid, subscription_sid, event_type, reason, reason.code, outcome.status)

    def expired(self, sink_sid: str, progress: DeliveryProgress, event_type: str) -> None:
        """Note that an event of ``event_type`` expired. It counts as an error although nothing was attempted."""
        code = progress.last_code or DeadReason.EXPIRED.code
        reason = DeadReason.EXPIRED
        self._failed(sink_sid, progress.subscription_sid, event_type, reason, code, progress.last_status)

    def _failed(
        self,
        sink_sid: str,
        subscription_sid: str,
        event_type: str,
        reason: RetryReason | DeadReason,
        code: int,
        status: int | None,
    ) -> None:
        sink = self._snapshot.sinks.get(sink_sid)
        if sink is None or sink.account_sid not in self._readers or event_type.startswith(_ERROR_LOGS):
            return
        trouble = self._cadence.failed(sink_sid)
        if trouble is None:
            return
        self._post(
            notice(
                sink,
                subscription_sid=subscription_sid,
                reason=reason,
                code=code,
                status=status,
                trouble=trouble,
            )
        )


@asynccontextmanager
async def open_notices(
    process: Process, *, feed: ControlFeed, catalog: Catalog, codec: Codec, producer: AckedProducer
) -> AsyncIterator[FailureNotices]:
    """Open the failure notices of one worker, which are published through ``producer``."""
    readers = ErrorLogReaders(feed.snapshot)
    feed.listen(readers.apply)
    topic = Topics(process.settings).events
    async with Outbox(
        topic, catalog=catalog, codec=codec, producer=producer, metrics=process.metrics, on_crash=process.crash
    ) as outbox:
        yield FailureNotices(feed.snapshot, readers, Cadence(now_ms), outbox.post)
