"""Every metric of every role, declared once. ``docs/metrics.md`` is generated from here.

Labels come from closed sets. A batch counts as the number of events in it.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

from eventstreams import __version__
from eventstreams.telemetry.backlog_metrics import BacklogMetrics
from eventstreams.telemetry.tally import TallyHistogram
from eventstreams.telemetry.topic_metrics import TopicMetrics

_LATENCY_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 14400)
_REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ATTEMPT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The metrics of one process. Each role updates those that concern it; the others stay at zero."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Info("eventstreams_build", "Release of Event Streams that this process runs.", registry=self.registry)
        build.info({"version": __version__})

        self.accepted: Final = self._counter(
            "eventstreams_accepted_events_total",
            "Events published by this process and acknowledged by the broker.",
            "event_type",
        )
        self.refused: Final = self._counter(
            "eventstreams_refused_events_total",
            "Events that were not published because they do not conform to the catalogue or the broker did not answer.",
            "reason",
        )
        self.matched: Final = self._counter(
            "eventstreams_router_events_total",
            "Events that the router has handled: copied to a subscription, not matched by any, or made a dead letter.",
            "outcome",
        )
        self.routed: Final = self._counter(
            "eventstreams_routed_copies_total", "Copies acknowledged on subscription topics."
        )
        self.avoided: Final = self._gauge(
            "eventstreams_avoided_topics",
            "Subscription topics that currently accept no copies: their events go to a retry topic instead, and "
            "are delivered from there.",
        )
        self.filtered: Final = self._counter(
            "eventstreams_filter_verdicts_total",
            "Events to which a subscription's filter was applied: taken; excluded; undecided (the filter needs a "
            "field that the event does not have: not delivered); unfiltered (the filter or the event cannot be "
            "read: delivered).",
            "verdict",
        )
        self.attempts: Final = self._counter(
            "eventstreams_delivery_attempts_total",
            "Delivery attempts; each event in a batch counts as one.",
            "sink_type",
            "outcome",
            "reason",
        )
        self.attempt_seconds: Final = TallyHistogram(
            "eventstreams_delivery_attempt_seconds",
            "Duration of delivery attempts.",
            ["sink_type"],
            bounds=_ATTEMPT_BUCKETS,
            registry=self.registry,
        )
        self.delivery_seconds: Final = TallyHistogram(
            "eventstreams_delivery_seconds",
            "Time from the broker's acceptance of an event to its delivery. Path: straight (delivered at the "
            "first attempt, to a sink that had no trouble for five minutes, so the time is ours alone) or detour.",
            ["sink_type", "path"],
            bounds=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.retries: Final = self._counter(
            "eventstreams_retries_scheduled_total",
            "Events put on a retry topic after a failed attempt.",
            "sink_type",
            "reason",
        )
        self.late_retries: Final = self._counter(
            "eventstreams_late_retries_total",
            "Events put on a retry topic after half of the time between their acceptance and their deadline had "
            "passed.",
            "sink_type",
        )
        self.dead_letters: Final = self._counter(
            "eventstreams_dead_letters_total", "Events that became dead letters.", "sink_type", "reason"
        )
        self.redriven: Final = self._counter(
            "eventstreams_redriven_events_total",
            "Events copied to a subscription's topic again: dead letters by a redrive, accepted events by a replay.",
            "sink_type",
            "kind",
        )
        self.in_flight: Final = self._gauge(
            "eventstreams_in_flight_events", "Events for which a delivery attempt is in progress.", "sink_type"
        )
        self.sinks: Final = self._gauge(
            "eventstreams_sinks",
            "Sinks that this process delivers to: open, paused by their owner, waiting (because the sink asked "
            "for it, or for more than a minute because of its rate limit), or broken (failing repeatedly, and tried at "
            "growing intervals).",
            "sink_type",
            "state",
        )
        self.attempt_limit: Final = self._gauge(
            "eventstreams_attempt_limit",
            "Current limit on concurrent attempts, across all sinks of this process: it drops after refusals and "
            "failures, and is zero for a broken sink.",
            "sink_type",
        )
        self.lanes: Final = self._gauge(
            "eventstreams_assigned_partitions", "Partitions assigned to this process.", "kind"
        )
        self.rebalances: Final = self._counter(
            "eventstreams_rebalances_total",
            "Rebalances after which this process was assigned partitions, even if they stayed the same.",
            "kind",
        )
        self.settle_failures: Final = self._counter(
            "eventstreams_settle_failures_total",
            "Failed writes to a retry or dead-letter topic. They are repeated while their partitions wait, unless "
            "the record is too large.",
            "sink_type",
        )
        self.failure_notices: Final = self._counter(
            "eventstreams_failure_notices_total",
            "Failure notices for subscribers to error logs: published, dropped or not acknowledged.",
            "outcome",
        )
        self.attempt_log_dropped: Final = self._counter(
            "eventstreams_attempt_log_dropped_total",
            "Attempts missing from the delivery log because Kafka did not accept them in time.",
            "sink_type",
        )
        self.delivery_log_lag_records: Final = self._gauge(
            "eventstreams_delivery_log_lag_records", "Records that the delivery log has yet to read.", "topic"
        )
        self.delivery_log_lag: Final = self._gauge(
            "eventstreams_delivery_log_lag_seconds",
            "Age of the newest entry in the delivery log while it lags; 0 otherwise.",
        )
        self.delivery_log_bytes: Final = self._gauge(
            "eventstreams_delivery_log_size_bytes", "Size of the delivery log."
        )
        self.delivery_log_skipped: Final = self._counter(
            "eventstreams_delivery_log_skipped_total",
            "Records of the attempts topic that this release cannot read.",
        )
        self.delivery_log_rebuilds: Final = self._counter(
            "eventstreams_delivery_log_rebuilds_total",
            "Times that the delivery log was found damaged or missing, and rebuilt.",
        )

        self.api_primary: Final = self._gauge(
            "eventstreams_api_primary", "1 in the API process that accepts writes, 0 in the other replicas."
        )
        self.api_forwarded: Final = self._counter(
            "eventstreams_api_forwarded_requests_total",
            "Writes that this API process forwarded to the primary; unanswered ones went to the next primary.",
            "outcome",
        )
        self.requests: Final = self._counter(
            "eventstreams_http_requests_total",
            "Requests answered by the API or the gateway, excluding probes; a forwarded request counts on both "
            "replicas.",
            "server",
            "method",
            "status",
        )
        self.request_seconds: Final = Histogram(
            "eventstreams_http_request_seconds",
            "Response time of the API and the gateway.",
            ["server"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )

        self.ready: Final = self._gauge(
            "eventstreams_ready", "1 while this process reports on /readyz that it is ready."
        )
        self.ttl: Final = self._gauge(
            "eventstreams_ttl_seconds",
            "How long events are retried after they were accepted, as configured for this process.",
        )
        self.control_age: Final = self._gauge(
            "eventstreams_control_age_seconds",
            "Time since this process last knew that it had read the whole control topic, or since it started. It "
            "asks Kafka every 15 s.",
        )
        self.backlogs: Final = BacklogMetrics(self.registry)
        self.topics: Final = TopicMetrics(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)
