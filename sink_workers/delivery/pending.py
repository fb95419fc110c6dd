"""Pending deliveries and completed attempts, and the decisions about them. Pure.

They are tuples because some are made for every event: frozen dataclasses take several times as long to create.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.headers import DeliveryProgress
from eventstreams.kafka.records import Record
from eventstreams.reasons import RetryReason
from eventstreams.sinks import Capabilities, Delivered, DeliveryOutcome, OutboundEvent, RetryLater
from sink_workers.delivery.settle import failed
from sink_workers.delivery.sink_pool import OpenSink

_TOGETHER: Final = 10  # attempts of a whole batch; by then a failing sink is known to be broken, and its events wait

# Reasons that say nothing about a batch's events: the plugin may be unable to handle a single one of them.
_UNTOLD: Final = frozenset({RetryReason.PLUGIN_RAISED, RetryReason.PLUGIN_HUNG, RetryReason.PLUGIN_MISCOUNTED})


class PendingDelivery(NamedTuple):
    """One record that is being delivered.

    Attributes:
        record: The record as it was read.
        progress: How far it has come: its next attempt, its deadline, what happened before.
        event: The event, in the schema version that ``types`` asks for.
        types: The subscription's types when ``event`` was read.
        is_again: Whether a redrive or a replay put it on its topic: then it was accepted long before.
        most: The largest batch that it may begin; None: as many as its sink takes.
    """

    record: Record
    progress: DeliveryProgress
    event: OutboundEvent
    types: tuple[SubscribedType, ...]
    is_again: bool = False
    most: int | None = None


class CompletedAttempt(NamedTuple):
    """An attempt that was made.

    Attributes:
        subscription: Whose event it delivered.
        began_ms: When it began, in ms since the epoch.
        duration_ms: How long it took.
        straight: Whether the sink had given no trouble before: see ``Gate.is_straight``.
    """

    subscription: Subscription
    began_ms: int
    duration_ms: int
    straight: bool


def by_subscription(deliveries: Sequence[PendingDelivery]) -> Iterable[Sequence[PendingDelivery]]:
    """Group ``deliveries`` by subscription, in order.

    A retry lane takes expired records of many subscriptions together; if the clock was set back, they are still alive.
    """
    found: dict[str, list[PendingDelivery]] = {}
    for delivery in deliveries:
        found.setdefault(delivery.progress.subscription_sid, []).append(delivery)
    return found.values()


def are_current(deliveries: Sequence[PendingDelivery], subscription: Subscription, now_ms: int) -> bool:
    """Whether no deadline has passed and all events are in the schema versions that ``subscription`` asks for."""
    for delivery in deliveries:  # not ``all``, which costs several times as much for a single delivery
        if delivery.types is not subscription.types or delivery.progress.deadline_ms <= now_ms:
            return False
    return True


def are_delivered(outcomes: Sequence[DeliveryOutcome]) -> bool:
    """Whether all events were delivered."""
    for outcome in outcomes:  # noqa: SIM110 - as above
        if not isinstance(outcome, Delivered):
            return False
    return True


def stays_together(opened: OpenSink | RetryLater, batch: Sequence[PendingDelivery], subscription: Subscription) -> bool:
    """Whether a failed ``batch`` is tried again as a whole, even if the sink may work for other events.

    Not if its subscription limits attempts: only a second apart, they would be used up long before its delays are over.
    """
    if isinstance(opened, RetryLater) or not opened.capabilities.tried_together:
        return False
    if subscription.max_attempts is not None:
        return False
    return batch[0].progress.attempt < _TOGETHER


def was_last(subscription: Subscription, progress: DeliveryProgress, outcome: RetryLater) -> bool:
    """Whether the attempt that ended with ``outcome`` was the last that ``subscription`` allows.

    If the sink could not even be opened, there was no attempt, so it does not count.
    """
    most = subscription.max_attempts
    return most is not None and progress.attempt >= most and outcome.reason is not RetryReason.SINK_UNUSABLE


def is_untold(outcomes: Sequence[DeliveryOutcome]) -> bool:
    """Whether the attempt ended in a way that says nothing about its events: the plugin raised, hung or miscounted."""
    return all(isinstance(outcome, RetryLater) and outcome.reason in _UNTOLD for outcome in outcomes)


def again(delivery: PendingDelivery, outcome: RetryLater, began_ms: int) -> PendingDelivery:
    """``delivery`` as it is to be attempted next, after an attempt that ended with ``outcome``."""
    progress = failed(delivery.progress, outcome, began_ms=began_ms)
    delivery.event.attempt = progress.attempt
    return delivery._replace(progress=progress)


def takes_avro(capabilities: Capabilities | None) -> bool:
    """Whether a sink takes events as Avro only; ``capabilities`` is None while the sink is not open."""
    return capabilities is not None and capabilities.sized_as_avro


def first_batch(deliveries: Sequence[PendingDelivery], capabilities: Capabilities | None) -> Sequence[PendingDelivery]:
    """The first of ``deliveries``, as many as one attempt may carry; an event above the size limit goes alone."""
    if capabilities is None or capabilities.max_batch_events == 1:
        return deliveries[:1]
    most = min(capabilities.max_batch_events, deliveries[0].most or capabilities.max_batch_events)
    size = 0
    for count, delivery in enumerate(deliveries[:most]):
        size += len(delivery.record.value if capabilities.sized_as_avro else delivery.event.json())
        if count and size > capabilities.max_batch_bytes:
            return deliveries[:count]
    return deliveries[:most]
