"""How the two kinds of lanes differ: a subscription's lane takes what comes, a retry lane looks at the clock."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from eventstreams.control.feed import ControlFeed
from eventstreams.headers import NOT_BEFORE
from eventstreams.kafka.records import Partition, Record
from eventstreams.retry import HOLD_MS, RetryWheel
from eventstreams.sinks import Capabilities
from eventstreams.topics import Topics
from sink_workers.delivery import Delivery
from sink_workers.lane import Limits
from sink_workers.sinks import SinkPool

# Before a sink is open: the first event goes alone, and opens it.
_ALONE: Final = Limits(max_batch_events=1, max_batch_bytes=0, linger_s=0.0, max_in_flight=1)
# A retry lane carries records of many sinks, each with a time of its own.
_RETRY: Final = Limits(max_batch_events=1, max_batch_bytes=0, linger_s=0.0, max_in_flight=64)


class SubscriptionHandler:
    """Handles the records of subscription topics: as many at once as the subscription's sink can take."""

    def __init__(self, delivery: Delivery, pool: SinkPool, feed: ControlFeed) -> None:
        self._delivery = delivery
        self._pool = pool
        self._feed = feed

    def limits(self, partition: Partition) -> Limits:
        subscription = self._feed.snapshot.subscriptions.get(Topics.subscription_of(partition.topic))
        capabilities = None if subscription is None else self._pool.capabilities(subscription.sink_sid)
        return _ALONE if capabilities is None else _limits(capabilities)

    def ready_at_ms(self, record: Record) -> int:  # noqa: ARG002 - part of the protocol
        return 0

    async def handle(self, records: Sequence[Record]) -> None:
        await self._delivery.handle(records)


class RetryHandler:
    """Handles the records of retry topics, each when its slot of the wheel comes round."""

    def __init__(self, delivery: Delivery, wheel: RetryWheel, delays: Mapping[str, timedelta]) -> None:
        """``delays``: of each retry topic."""
        self._delivery = delivery
        self._wheel = wheel
        self._delays = delays

    def limits(self, partition: Partition) -> Limits:  # noqa: ARG002 - part of the protocol
        return _RETRY

    def ready_at_ms(self, record: Record) -> int:
        look_ms = record.timestamp_ms + self._wheel.wait_ms(self._delays[record.topic], record.partition)
        wanted = dict(record.headers).get(NOT_BEFORE, b"")
        not_before_ms = int(wanted) if wanted.isdigit() else 0
        return not_before_ms if look_ms < not_before_ms <= look_ms + HOLD_MS else look_ms

    async def handle(self, records: Sequence[Record]) -> None:
        await self._delivery.handle(records)


def _limits(capabilities: Capabilities) -> Limits:
    return Limits(
        capabilities.max_batch_events,
        capabilities.max_batch_bytes,
        capabilities.linger_s,
        capabilities.max_in_flight,
    )
