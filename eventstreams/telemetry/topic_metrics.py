"""Metrics of the existing topics; reported by the API's primary."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge


class TopicMetrics:
    """Part of ``Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.there: Final = Gauge(
            "eventstreams_topics",
            "Topics of this installation. Reported by the API's primary only.",
            ("kind",),
            registry=registry,
        )
        self.orphaned: Final = Gauge(
            "eventstreams_orphaned_topics",
            "Topics whose subscription, or sink type, does not exist. Reported by the API's primary only.",
            ("kind",),
            registry=registry,
        )
        self.removed: Final = Counter(
            "eventstreams_orphaned_topics_removed",
            "Orphaned topics that were removed.",
            registry=registry,
        )
