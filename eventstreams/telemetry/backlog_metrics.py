"""Metrics of the backlog. Only the API's primary reports them, every 15 s, so that they exist while no worker runs.

In all other processes, those with labels are absent and the others are 0.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Gauge


class BacklogMetrics:
    """Part of ``Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events: Final = _gauge(
            registry,
            "eventstreams_backlog_events",
            "Events on subscriptions' topics that are not settled: moving; still (none of the subscription was "
            "settled for five minutes: its sink fails, or a worker is stuck); or paused.",
            "sink_type",
            "state",
        )
        self.oldest: Final = _gauge(
            registry,
            "eventstreams_oldest_undelivered_seconds",
            "How long the oldest event on a subscription's topic has waited, to within 5 % and 15 s; 0 where nothing "
            "waits.",
            "sink_type",
            "state",
        )
        self.retries: Final = _gauge(
            registry,
            "eventstreams_retry_backlog_events",
            "Events on retry topics: waiting for the time of their next attempt, due (it has come), or overdue (it "
            "came more than a minute ago; not counted as due).",
            "sink_type",
            "state",
        )
        self.due: Final = _gauge(
            registry,
            "eventstreams_due_events",
            "Events that workers could deliver now, for autoscalers: moving events, due and overdue retries; 1 where "
            "all that waits is still or paused, so that one worker stays.",
            "sink_type",
        )
        self.unrouted: Final = _gauge(
            registry, "eventstreams_unrouted_events", "Accepted events that are not routed yet."
        )
        self.oldest_unrouted: Final = _gauge(
            registry,
            "eventstreams_oldest_unrouted_seconds",
            "How long the oldest event that is not routed yet has waited.",
        )
        self.subscription_events: Final = _gauge(
            registry,
            "eventstreams_subscription_backlog_events",
            "Events that wait for the subscriptions with the largest backlogs, of which there are "
            "EVENTSTREAMS_METRICS_SUBSCRIPTIONS.",
            "sink_type",
            "subscription_sid",
        )
        self.subscription_still: Final = _gauge(
            registry,
            "eventstreams_subscription_still_seconds",
            "How long none of the events that wait for one of these subscriptions was settled.",
            "sink_type",
            "subscription_sid",
        )
        self.age: Final = _gauge(
            registry,
            "eventstreams_backlog_age_seconds",
            "Age of the backlog figures, which are taken every 15 s.",
        )


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, f"{text} Reported by the API's primary only.", labels, registry=registry)
