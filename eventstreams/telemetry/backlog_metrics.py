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
            "Events on subscription topics that are not settled, by state: moving; still (no event of the "
            "subscription has been settled for five minutes: its sink is failing, or a worker is stuck); or "
            "paused.",
            "sink_type",
            "state",
        )
        self.oldest: Final = _gauge(
            registry,
            "eventstreams_oldest_undelivered_seconds",
            "How long the oldest event on a subscription's topic has waited, to within 5 % and 15 s; 0 if nothing "
            "is waiting.",
            "sink_type",
            "state",
        )
        self.retries: Final = _gauge(
            registry,
            "eventstreams_retry_backlog_events",
            "Events on retry topics, by state: waiting for the time of their next attempt, due (that time has "
            "come), or overdue (it came more than a minute ago; not counted as due).",
            "sink_type",
            "state",
        )
        self.due: Final = _gauge(
            registry,
            "eventstreams_due_events",
            "Events that workers could deliver now, for autoscalers: moving events plus due and overdue retries; "
            "1 if all waiting events are still or paused, so that one worker remains.",
            "sink_type",
        )
        self.unrouted: Final = _gauge(
            registry, "eventstreams_unrouted_events", "Accepted events that have not been routed yet."
        )
        self.oldest_unrouted: Final = _gauge(
            registry,
            "eventstreams_oldest_unrouted_seconds",
            "How long the oldest event that has not been routed yet has been waiting.",
        )
        self.subscription_events: Final = _gauge(
            registry,
            "eventstreams_subscription_backlog_events",
            "Waiting events of the subscriptions with the largest backlogs, for up to "
            "EVENTSTREAMS_METRICS_SUBSCRIPTIONS of them.",
            "sink_type",
            "subscription_sid",
        )
        self.subscription_still: Final = _gauge(
            registry,
            "eventstreams_subscription_still_seconds",
            "Time since an event of one of these subscriptions was last settled, while events are waiting.",
            "sink_type",
            "subscription_sid",
        )
        self.age: Final = _gauge(
            registry,
            "eventstreams_backlog_age_seconds",
            "Age of the backlog figures, which are taken every 15 s; 0 if there are none.",
        )


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, f"{text} Reported by the API's primary only.", labels, registry=registry)
