"""The handlers of the two kinds of lanes: a subscription's lane waits for its sink, a retry lane for the clock."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.control.snapshot import Change
from eventstreams.headers import DEADLINE, MOST_DIGITS, NOT_BEFORE
from eventstreams.kafka.records import Partition, Record
from eventstreams.retry import HOLD_MS, RetryWheel
from eventstreams.sinks import Capabilities
from eventstreams.topics import Topics
from sink_workers.delivery.delivery import Delivery
from sink_workers.delivery.sink_pool import SinkPool
from sink_workers.gates.gates import Gates
from sink_workers.lanes.handler import LaneHandle, Limits

# Until a sink is open: the first event goes alone, and opens it.
_ALONE: Final = Limits(max_batch_events=1, max_batch_bytes=0, linger_s=0.0, max_in_flight=1)
_NOT_NOW: Final = Limits(max_batch_events=1, max_batch_bytes=0, linger_s=0.0, max_in_flight=0)
# The events that a deleted subscription leaves behind are only written to the dead-letter topic.
_DISCARD: Final = Limits(max_batch_events=64, max_batch_bytes=1 << 20, linger_s=0.0, max_in_flight=16)
# A retry lane carries records of many sinks, each due at a time of its own.
_RETRY: Final = Limits(max_batch_events=1, max_batch_bytes=0, linger_s=0.0, max_in_flight=64)


class SubscriptionHandler:
    """Handles the records of subscription topics, as many at once as the subscription's sink can take."""

    def __init__(self, delivery: Delivery, *, pool: SinkPool, gates: Gates, feed: ControlFeed) -> None:
        self._delivery = delivery
        self._pool = pool
        self._gates = gates
        self._feed = feed
        self._lanes: dict[str, set[Callable[[], None]]] = {}  # by subscription
        self._last: tuple[Capabilities, Limits] | None = None  # cached: a busy lane asks for each batch
        feed.listen(self._on_change)

    def limits(self, partition: Partition) -> Limits:
        subscription = self._subscription(partition)
        if subscription is None or subscription.state is not SubscriptionState.ACTIVE:
            return _DISCARD
        if subscription.paused:
            return _NOT_NOW
        at_once = self._gates.of(subscription.sink_sid).limit()
        if at_once == 0:
            return _NOT_NOW
        capabilities = self._pool.capabilities(subscription.sink_sid)
        if capabilities is None:
            return _ALONE
        if self._last is None or self._last[0] is not capabilities or self._last[1].max_in_flight != at_once:
            self._last = capabilities, _limits(capabilities, at_once)
        return self._last[1]

    def ready_at_ms(self, record: Record) -> int:  # noqa: ARG002 - part of the protocol
        return 0

    def deadline_ms(self, record: Record) -> int:
        return _number(record, DEADLINE)

    def attach(self, partition: Partition, wake: Callable[[], None]) -> Callable[[], None]:
        sid = Topics.subscription_of(partition.topic)
        lanes = self._lanes.setdefault(sid, set())
        lanes.add(wake)
        subscription = self._subscription(partition)
        forget = None if subscription is None else self._gates.of(subscription.sink_sid).listen(wake)

        def detach() -> None:
            lanes.discard(wake)
            if not lanes:
                self._lanes.pop(sid, None)
            if forget is not None:
                forget()

        return detach

    def handle(self, records: Sequence[Record], lane: LaneHandle) -> Coroutine[Any, Any, None]:
        return self._delivery.handle(records, lane, waits=True)

    def _subscription(self, partition: Partition) -> Subscription | None:
        return self._feed.snapshot.subscriptions.get(Topics.subscription_of(partition.topic))

    def _on_change(self, change: Change) -> None:
        if isinstance(change.after, Subscription):
            for wake in list(self._lanes.get(change.after.sid, ())):
                wake()


class RetryHandler:
    """Handles the records of retry topics, each when its slot of the wheel comes round, and tests of sinks at once.

    Both topics carry events of many sinks, so no record may wait here for its sink.
    """

    def __init__(self, delivery: Delivery, wheel: RetryWheel, delays: Mapping[str, timedelta]) -> None:
        """``delays``: by the name of the retry topic. Any other topic holds tests of sinks."""
        self._delivery = delivery
        self._wheel = wheel
        self._delays = delays

    def limits(self, partition: Partition) -> Limits:  # noqa: ARG002 - part of the protocol
        return _RETRY

    def ready_at_ms(self, record: Record) -> int:
        delay = self._delays.get(record.topic)
        if delay is None:
            return 0
        look_ms = record.timestamp_ms + self._wheel.wait_ms(delay, record.partition)
        not_before_ms = _number(record, NOT_BEFORE)
        # If the settings have changed, its slot may be longer than when it was put there: that must not make it late.
        return not_before_ms if not_before_ms <= look_ms + HOLD_MS else look_ms

    def deadline_ms(self, record: Record) -> int:
        return _number(record, DEADLINE)

    def attach(self, partition: Partition, wake: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002 - part of the protocol
        return _nothing  # its limits never change

    def handle(self, records: Sequence[Record], lane: LaneHandle) -> Coroutine[Any, Any, None]:
        return self._delivery.handle(records, lane, waits=False)


def _nothing() -> None:
    return


def _limits(capabilities: Capabilities, at_once: int) -> Limits:
    return Limits(
        capabilities.max_batch_events,
        capabilities.max_batch_bytes,
        capabilities.linger_s,
        at_once,
    )


def _number(record: Record, name: str) -> int:
    """The value of the header ``name``, or 0 if it is not a number: that is noticed when the record is handled."""
    for found, text in reversed(record.headers):  # the last of several counts, and ours are at the end
        if found == name:
            return int(text) if text.isdigit() and len(text) <= MOST_DIGITS else 0
    return 0
