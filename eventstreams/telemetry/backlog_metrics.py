"""The metrics of what waits. The API's primary alone tells them, every 15 s, so that they are known while no worker
runs; in all other processes those with labels are absent, and the others 0.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Gauge


class BacklogMetrics:
    """Part of ``Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events: Final = _gauge(
            registry,
            "eventstreams_backlog_events",
            "Events on subscriptions' topics that are not settled: moving, still (none of its "
            "subscription's was settled for five minutes: a sink that fails, or a worker of ours) or paused.",
            "sink_type",
            "state",
        )
        self.oldest: Final = _gauge(
            registry,
            "eventstreams_oldest_undelivered_seconds",
            "How long the oldest event on a subscription's topic has been there, to within some 5 % and a quarter of "
            "a minute; 0 where nothing waits.",
            "sink_type",
            "state",
        )
        self.retries: Final = _gauge(
            registry,
            "eventstreams_retry_backlog_events",
            "Events on retry topics: waiting for their time, due (it has come), and those due for a minute or longer, "
            "which are overdue and not in due.",
            "sink_type",
            "state",
        )
        self.due: Final = _gauge(
            registry,
            "eventstreams_due_events",
            "What workers could get on with, for autoscalers: moving events, due and overdue retries; 1 where all that "
            "waits is still or paused, so that one worker stays.",
            "sink_type",
        )
        self.unrouted: Final = _gauge(
            registry, "eventstreams_unrouted_events", "Accepted events that routers have not dealt with."
        )
        self.oldest_unrouted: Final = _gauge(
            registry,
            "eventstreams_oldest_unrouted_seconds",
            "As of the oldest undelivered event, of those that are not routed.",
        )
        self.subscription_events: Final = _gauge(
            registry,
            "eventstreams_subscription_backlog_events",
            "Events that wait on the topics of the subscriptions with the most: of as many as "
            "EVENTSTREAMS_METRICS_SUBSCRIPTIONS says.",
            "sink_type",
            "subscription_sid",
        )
        self.subscription_still: Final = _gauge(
            registry,
            "eventstreams_subscription_still_seconds",
            "For how long none of the events that wait for such a subscription was settled.",
            "sink_type",
            "subscription_sid",
        )
        self.age: Final = _gauge(
            registry,
            "eventstreams_backlog_age_seconds",
            "How old the figures of backlogs are, in the API's primary: they are taken every 15 s.",
        )


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, f"{text} Told by the API's primary alone.", labels, registry=registry)
