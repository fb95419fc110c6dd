"""Exports the figures of a survey as metrics."""

import heapq
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from control_api.backlog.figures import State, for_autoscaler
from eventstreams.telemetry.backlog_metrics import BacklogMetrics

_RETRY_STATES: Final = ("waiting", "due", "overdue")


@dataclass(frozen=True, slots=True)
class Unrouted:
    """What waits for routers: the number of events, and the age of the oldest in seconds."""

    events: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class TypeBacklog:
    """What waits for the workers of one sink type.

    Attributes:
        sink_type: The type.
        events: The events on subscription topics, by state.
        oldest_s: The age of the oldest of them in seconds, by state.
        retries: The events on retry topics, including ``due`` and ``overdue``.
        due: Those whose time has come, but less than a minute ago.
        overdue: Those whose time came a minute ago or earlier.
        subscriptions: For each subscription where events wait, by SID: how many, and for how many seconds none of them
            was settled.
    """

    sink_type: str
    events: Mapping[State, int]
    oldest_s: Mapping[State, float]
    retries: int
    due: int
    overdue: int
    subscriptions: Mapping[str, tuple[int, float]]


class BacklogGauges:
    """Sets the backlog metrics."""

    def __init__(self, metrics: BacklogMetrics, *, most_subscriptions: int) -> None:
        self._metrics = metrics
        self._most = most_subscriptions

    def tell(self, types: Sequence[TypeBacklog], unrouted: Unrouted) -> None:
        """Export these figures from now on."""
        metrics, now = self._metrics, time.monotonic()
        self._clear()
        for each in types:
            for state in State:
                metrics.events.labels(each.sink_type, state).set(each.events[state])
                metrics.oldest.labels(each.sink_type, state).set(each.oldest_s[state])
            figures = (each.retries - each.due - each.overdue, each.due, each.overdue)
            for name, figure in zip(_RETRY_STATES, figures, strict=True):
                metrics.retries.labels(each.sink_type, name).set(figure)
            metrics.due.labels(each.sink_type).set(
                for_autoscaler(
                    moving=each.events[State.MOVING],
                    held=each.events[State.STILL] + each.events[State.PAUSED],
                    due=each.due + each.overdue,
                )
            )
        metrics.unrouted.set(unrouted.events)
        metrics.oldest_unrouted.set(unrouted.oldest_s)
        metrics.age.set_function(lambda: time.monotonic() - now)
        every = [
            (events, still_s, each.sink_type, sid)
            for each in types
            for sid, (events, still_s) in each.subscriptions.items()
        ]
        for events, still_s, sink_type, sid in heapq.nlargest(self._most, every):
            metrics.subscription_events.labels(sink_type, sid).set(events)
            metrics.subscription_still.labels(sink_type, sid).set(still_s)

    def end(self) -> None:
        """Stop exporting figures."""
        self._clear()
        self._metrics.unrouted.set(0)
        self._metrics.oldest_unrouted.set(0)
        self._metrics.age.set_function(lambda: 0.0)

    def _clear(self) -> None:
        metrics = self._metrics
        for each in (
            metrics.events,
            metrics.oldest,
            metrics.retries,
            metrics.due,
            metrics.subscription_events,
            metrics.subscription_still,
        ):
            each.clear()
