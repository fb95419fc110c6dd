"""Records on their way through their attempts, and what is decided of them from what is known. Pure.

Tuples, as some are made for every event: frozen dataclasses take several times as long.
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

_TOGETHER: Final = 10  # attempts of a batch; by then a sink that fails as a whole is known, and has its events wait

# Of an attempt that says nothing about its events: one of them may be what the plugin cannot handle.
_UNTOLD: Final = frozenset({RetryReason.PLUGIN_RAISED, RetryReason.PLUGIN_HUNG, RetryReason.PLUGIN_MISCOUNTED})


class PendingDelivery(NamedTuple):
    """One record on its way through its attempts. ``event`` is as ``types``, of its subscription, asked for it.

    Attributes:
        is_again: Whether a redrive or a replay put it there: then it was accepted long before it was due.
        most: How many may be tried together from it on; None: as many as its sink takes.
    """

    record: Record
    progress: DeliveryProgress
    event: OutboundEvent
    types: tuple[SubscribedType, ...]
    is_again: bool = False
    most: int | None = None


class CompletedAttempt(NamedTuple):
    """An attempt that was made: for whom, when it began, how long it took, whether its sink gave no trouble before."""

    subscription: Subscription
    began_ms: int
    duration_ms: int
    straight: bool


def by_subscription(deliveries: Sequence[PendingDelivery]) -> Iterable[Sequence[PendingDelivery]]:
    """What a retry lane takes together, to have it expire, is of many; a clock that was set back finds it alive."""
    found: dict[str, list[PendingDelivery]] = {}
    for delivery in deliveries:
        found.setdefault(delivery.progress.subscription_sid, []).append(delivery)
    return found.values()


def are_current(deliveries: Sequence[PendingDelivery], subscription: Subscription, now_ms: int) -> bool:
    """Whether all deadlines are ahead, and all events in the schema versions that ``subscription`` asks for."""
    for delivery in deliveries:  # without ``all``, which costs several times as much for a single one
        if delivery.types is not subscription.types or delivery.progress.deadline_ms <= now_ms:
            return False
    return True


def are_delivered(outcomes: Sequence[DeliveryOutcome]) -> bool:
    """Whether nothing is left to do."""
    for outcome in outcomes:  # noqa: SIM110 - as above
        if not isinstance(outcome, Delivered):
            return False
    return True


def stays_together(opened: OpenSink | RetryLater, batch: Sequence[PendingDelivery], subscription: Subscription) -> bool:
    """Whether a failed ``batch`` is to be tried again as it is, although its sink may work for others.

    Not where its subscription counts attempts: a second apart, they would be used up long before its delays are over.
    """
    if isinstance(opened, RetryLater) or not opened.capabilities.tried_together:
        return False
    if subscription.max_attempts is not None:
        return False
    return batch[0].progress.attempt < _TOGETHER


def was_last(subscription: Subscription, progress: DeliveryProgress, outcome: RetryLater) -> bool:
    """Whether the attempt that ended with ``outcome`` is the last that ``subscription`` asks for.

    Where the sink could not even be opened there was none, whatever its number.
    """
    most = subscription.max_attempts
    return most is not None and progress.attempt >= most and outcome.reason is not RetryReason.SINK_UNUSABLE


def is_untold(outcomes: Sequence[DeliveryOutcome]) -> bool:
    """Whether an attempt ended in a way that says nothing about its events."""
    return all(isinstance(outcome, RetryLater) and outcome.reason in _UNTOLD for outcome in outcomes)


def again(delivery: PendingDelivery, outcome: RetryLater, began_ms: int) -> PendingDelivery:
    """``delivery`` as it is to be attempted next, after ``outcome``."""
    progress = failed(delivery.progress, outcome, began_ms=began_ms)
    delivery.event.attempt = progress.attempt
    return delivery._replace(progress=progress)


def takes_avro(capabilities: Capabilities | None) -> bool:
    """Whether a sink, None where it is not open yet, takes the events' Avro alone."""
    return capabilities is not None and capabilities.sized_as_avro


def first_batch(deliveries: Sequence[PendingDelivery], capabilities: Capabilities | None) -> Sequence[PendingDelivery]:
    """As many of ``deliveries``, from the first, as one delivery may carry; an event that is too large goes alone."""
    if capabilities is None or capabilities.max_batch_events == 1:
        return deliveries[:1]
    most = min(capabilities.max_batch_events, deliveries[0].most or capabilities.max_batch_events)
    size = 0
    for count, delivery in enumerate(deliveries[:most]):
        size += len(delivery.record.value if capabilities.sized_as_avro else delivery.event.json())
        if count and size > capabilities.max_batch_bytes:
            return deliveries[:count]
    return deliveries[:most]
