"""A batch as ``Delivery`` takes it apart: each record goes to the sink of its own subscription."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast

from typing_extensions import override

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Snapshot
from eventstreams.headers import routed_headers
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks import Capabilities, Delivered, OutboundEvent, Sink
from eventstreams.telemetry.metrics import Metrics
from producers.encoder import EncodedEvent, EventEncoder
from sink_workers.delivery import Delivery
from sink_workers.gates import Gates
from sink_workers.lane import Turn
from sink_workers.notices import FailureNotices
from sink_workers.offsets import OffsetTracker
from sink_workers.settle import Settler
from sink_workers.sinks import OpenSink, SinkPool
from tests.support.events import SENT, message_event
from tests.support.no_log import no_log

ACCOUNT: Final = "AC" + "1" * 32
CODEC: Final = Codec(Catalog.load(), schema_base_url="https://schemas.example.com")
NOW_MS: Final = 1_000_000


class Feed:
    """The control topic, of which all is known."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self.snapshot = Snapshot()
        self.snapshot.subscriptions.update({each.sid: each for each in subscriptions})

    def listen(self, listener: object) -> None:
        """Nothing changes."""


class Pool:
    """Sinks that take everything, and remember what."""

    def __init__(self) -> None:
        self.delivered: dict[str, list[str]] = {}

    def capabilities(self, sink_sid: str) -> Capabilities:
        return Capabilities(timeout_s=5, max_batch_events=100)

    @asynccontextmanager
    async def lease(self, sink_sid: str) -> AsyncIterator[OpenSink]:
        pool = self

        class Taking:
            async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[Delivered]:
                pool.delivered.setdefault(sink_sid, []).extend(event.id for event in batch)
                return [Delivered() for _ in batch]

        yield OpenSink(cast(Sink, Taking()), self.capabilities(sink_sid), ())


class Quiet(FailureNotices):
    """Tells nobody."""

    def __init__(self) -> None:
        pass

    @override
    def settled(self, *_: object) -> None:
        """Is not told."""

    @override
    def expired(self, *_: object) -> None:
        """Is not told."""


def subscription() -> Subscription:
    return Subscription(
        sid=new_sid(SidKind.SUBSCRIPTION),
        account_sid=ACCOUNT,
        sink_sid=new_sid(SidKind.SINK),
        sink_type="webhook",
        description="",
        types=(SubscribedType(type=SENT, schema_version=1, since_ms=0),),
        created_ms=0,
        updated_ms=0,
    )


def record(offset: int, of: Subscription) -> Record:
    encoded = EventEncoder(Catalog.load(), CODEC).encode(message_event(ACCOUNT, offset))
    assert isinstance(encoded, EncodedEvent)
    headers = routed_headers(encoded.headers, accepted_at_ms=NOW_MS, deadline_ms=NOW_MS + 1000, subscription_sid=of.sid)
    return Record("es.retry.webhook.5s", 0, offset, encoded.key, encoded.value, headers, NOW_MS)


async def test_records_of_a_retry_topic_that_come_together_go_to_their_own_sinks() -> None:
    """A lane takes them together once their deadlines are over; a clock that is set back finds them alive."""
    ours, theirs = subscription(), subscription()
    records = [record(0, ours), record(1, theirs), record(2, ours)]
    settings, metrics, pool = Settings.load(), Metrics(), Pool()
    feed = cast(ControlFeed, Feed([ours, theirs]))
    delivery = Delivery(
        "webhook",
        feed=feed,
        codec=CODEC,
        pool=cast(SinkPool, pool),
        gates=Gates(feed),
        settler=cast(Settler, None),
        notices=Quiet(),
        attempt_log=no_log(settings, "webhook", metrics=metrics, clock=lambda: NOW_MS),
        metrics=metrics,
        clock=lambda: NOW_MS,
    )
    tracker = OffsetTracker()
    for each in records:
        tracker.take(each.offset)
    turn = Turn(tracker, asyncio.get_running_loop().create_future())

    await delivery.handle(records, turn, waits=False)

    ids = [dict(each.headers)["ce_id"].decode() for each in records]
    assert pool.delivered == {ours.sink_sid: [ids[0], ids[2]], theirs.sink_sid: [ids[1]]}
    assert tracker.committable == records[-1].offset + 1
