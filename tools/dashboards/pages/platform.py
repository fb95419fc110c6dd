"""Dashboards on what all deliveries share: the router, Kafka, the API and the gateway."""

from typing import Final

from tools.dashboards.model import Dashboard, Panel, Query, Row
from tools.dashboards.pages.queries import of, quantile, rate, share, told, total

_ROUTERS: Final = 'kind="events"'
_MATCHED: Final = 'outcome="matched"'

ROUTER: Final = Dashboard(
    "router",
    "Router",
    "From acceptance to the copies for every matching subscription.",
    [
        Row(
            "Routing",
            [
                Panel(
                    title="Events per second, by result",
                    normal="Matched; unmatched: no subscription; dead: unreadable, and there should be none.",
                    queries=[Query(rate("router_events_total", by="outcome"), "{{outcome}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Copies per matched event",
                    normal="The average number of matching subscriptions: it only changes when they do.",
                    queries=[
                        Query(
                            f"{rate('routed_copies_total')} / ({rate('router_events_total', _MATCHED)} > 0)",
                            "copies",
                        )
                    ],
                ),
                Panel(
                    title="Filter verdicts per second",
                    normal="Taken and excluded. Undecided: the filter needs fields that events do not have. "
                    "Unfiltered: none.",
                    queries=[Query(rate("filter_verdicts_total", by="verdict"), "{{verdict}}")],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "How far behind",
            [
                Panel(
                    title="Accepted but not routed",
                    normal="As many as are accepted within half a second.",
                    queries=[Query(told("unrouted_events"), "events")],
                ),
                Panel(
                    title="Age of the oldest event that is not routed",
                    normal="0, which stands for anything below 15 seconds. From a minute on, someone is paged.",
                    queries=[Query(told("oldest_unrouted_seconds"), "oldest")],
                    unit="s",
                ),
                Panel(
                    title="Router rebalances in 15 minutes",
                    normal="None, except when routers start or stop; each delays routing for a second or two.",
                    queries=[Query(f"sum(increase({of('rebalances_total', _ROUTERS)}[15m]))", "told their share")],
                ),
                Panel(
                    title="Topics that accept no copies",
                    normal="None. Otherwise, a partition has no leader or too few in-sync replicas; copies go "
                    "around it.",
                    queries=[Query(told("avoided_topics", by="instance"), "{{instance}}")],
                ),
            ],
        ),
    ],
)

KAFKA: Final = Dashboard(
    "kafka",
    "Kafka and lag",
    "What Kafka holds, who reads it, and whether it answers. For Kafka's own health, see its exporter's dashboards.",
    [
        Row(
            "Lag",
            [
                Panel(
                    title="Events topic",
                    normal="As many as are accepted within half a second.",
                    queries=[Query(told("unrouted_events"), "not routed")],
                ),
                Panel(
                    title="Subscriptions' topics",
                    normal="Moving: next to none. Still and paused ones wait for their sinks, and cause no load.",
                    queries=[Query(told("backlog_events", by="sink_type, state"), "{{sink_type}} {{state}}")],
                    stack=True,
                ),
                Panel(
                    title="Retry topics",
                    normal="Waiting is not lag: the retry time has not come yet. Overdue: none.",
                    queries=[Query(told("retry_backlog_events", by="sink_type, state"), "{{sink_type}} {{state}}")],
                    stack=True,
                ),
            ],
        ),
        Row(
            "Consumers",
            [
                Panel(
                    title="Partitions per worker",
                    normal="Even: about the same number for every process of a type.",
                    queries=[Query(total("assigned_partitions", by="instance, kind"), "{{instance}} {{kind}}")],
                ),
                Panel(
                    title="Rebalances in 15 minutes",
                    normal="None, except when processes start or stop, or subscriptions are created or deleted.",
                    queries=[Query(f"sum by (kind) (increase({of('rebalances_total')}[15m]))", "{{kind}}")],
                ),
                Panel(
                    title="Autoscalers' view: due events",
                    normal="Next to none.",
                    queries=[Query(told("due_events", by="sink_type"), "{{sink_type}}")],
                ),
            ],
        ),
        Row(
            "Topics",
            [
                Panel(
                    title="Topics",
                    normal="One per subscription, and a handful per sink type; for bounds see "
                    "docs/partition-budget.md.",
                    queries=[Query(told("topics", by="kind"), "{{kind}}")],
                ),
                Panel(
                    title="Orphaned topics",
                    normal="None, or one for a quarter of an hour after a process died while creating it.",
                    queries=[Query(told("orphaned_topics", by="kind"), "{{kind}}")],
                ),
                Panel(
                    title="Orphaned topics removed in a day",
                    normal="None.",
                    queries=[Query(f"sum(increase({of('orphaned_topics_removed_total')}[1d]))", "removed")],
                ),
            ],
        ),
        Row(
            "Whether it answers",
            [
                Panel(
                    title="Age of each process's control snapshot",
                    normal="Up to 15 seconds, the interval at which each asks. If all rise, Kafka is unreachable; "
                    "if one, its network is.",
                    queries=[Query(of("control_age_seconds"), "{{instance}}")],
                    unit="s",
                ),
                Panel(
                    title="Age of the backlog figures",
                    normal="Up to 15 seconds, plus the time that Kafka takes to answer.",
                    queries=[Query(told("backlog_age_seconds"), "age")],
                    unit="s",
                ),
                Panel(
                    title="Events not accepted by Kafka, per second",
                    normal="None. Those counted as invalid were never sent to it: they do not conform to the "
                    "catalogue.",
                    queries=[Query(rate("refused_events_total", by="reason"), "{{reason}}")],
                    unit="ops",
                ),
            ],
        ),
    ],
)

HTTP: Final = Dashboard(
    "http",
    "API and gateway",
    "HTTP requests, the primary, and the delivery log.",
    [
        Row(
            "Requests",
            [
                Panel(
                    title="Requests per second, by status",
                    normal="2xx, and 4xx for clients' mistakes. 5xx: none; 503 means Kafka or no primary, 500 a bug.",
                    queries=[Query(rate("http_requests_total", by="server, status"), "{{server}} {{status}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Response times",
                    normal="Gateway: p99 some 50 ms, the broker's acknowledgement. API: reads 10 ms, writes 100 ms.",
                    queries=[
                        Query(quantile(0.5, "http_request_seconds", by="server"), "{{server}} p50"),
                        Query(quantile(0.99, "http_request_seconds", by="server"), "{{server}} p99"),
                    ],
                    unit="s",
                ),
                Panel(
                    title="Answered with 5xx",
                    normal="0 %.",
                    queries=[Query(share("http_requests_total", 'status=~"5.."', by="server"), "{{server}}")],
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Publishing",
            [
                Panel(
                    title="Accepted per second, the ten busiest types",
                    normal="What your products publish.",
                    queries=[Query(f"topk(10, {rate('accepted_events_total', by='event_type')})", "{{event_type}}")],
                    unit="ops",
                    width=12,
                ),
                Panel(
                    title="Refused per second, by reason",
                    normal="invalid: a product sends events that do not conform to the catalogue. The others: none.",
                    queries=[Query(rate("refused_events_total", by="reason"), "{{reason}}")],
                    unit="ops",
                    width=12,
                ),
            ],
        ),
        Row(
            "Control plane and delivery log",
            [
                Panel(
                    title="Primaries",
                    normal="One; none for a few seconds while it changes.",
                    queries=[Query(total("api_primary"), "primaries")],
                ),
                Panel(
                    title="Writes forwarded to the primary, per second",
                    normal="answered; nothing with a single API process. unanswered ones went to the next primary.",
                    queries=[Query(rate("api_forwarded_requests_total", by="outcome"), "{{outcome}}")],
                    unit="ops",
                ),
                Panel(
                    title="The delivery log's lag",
                    normal="Seconds. Deliveries are not affected: people just see attempts that much later.",
                    queries=[Query(told("delivery_log_lag_seconds"), "lag")],
                    unit="s",
                ),
                Panel(
                    title="Attempts missing from the delivery log, per second",
                    normal="None.",
                    queries=[Query(rate("attempt_log_dropped_total", by="sink_type"), "{{sink_type}}")],
                    unit="ops",
                    width=12,
                ),
                Panel(
                    title="Size of the delivery log",
                    normal="It grows to EVENTSTREAMS_DELIVERY_LOG_MAX_MIB, then the oldest entries are removed.",
                    queries=[Query(f"max by (instance) ({of('delivery_log_size_bytes')} > 0)", "{{instance}}")],
                    unit="bytes",
                    width=12,
                ),
            ],
        ),
    ],
)
