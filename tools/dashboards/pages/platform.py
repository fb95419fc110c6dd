"""Dashboards on what all deliveries share: the router, Kafka, the API and the gateway."""

from typing import Final

from tools.dashboards.model import Dashboard, Panel, Query, Row
from tools.dashboards.pages.queries import of, quantile, rate, share, told, total

_ROUTERS: Final = 'kind="events"'
_MATCHED: Final = 'outcome="matched"'

ROUTER: Final = Dashboard(
    "router",
    "Router",
    "From accepted to copied to every subscription that wants it.",
    [
        Row(
            "Routing",
            [
                Panel(
                    title="Events a second, by what became of them",
                    normal="Matched, and unmatched: wanted by nobody. Dead: unreadable, and there should be none.",
                    queries=[Query(rate("router_events_total", by="outcome"), "{{outcome}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Copies for each matched event",
                    normal="The average number of subscriptions that want one: it moves only as they do.",
                    queries=[
                        Query(
                            f"{rate('routed_copies_total')} / ({rate('router_events_total', _MATCHED)} > 0)",
                            "copies",
                        )
                    ],
                ),
                Panel(
                    title="What filters said, a second",
                    normal="Taken and excluded. Undecided: it asks for what events do not have. Unfiltered: none.",
                    queries=[Query(rate("filter_verdicts_total", by="verdict"), "{{verdict}}")],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "How far behind",
            [
                Panel(
                    title="Accepted and not routed",
                    normal="What is accepted within half a second.",
                    queries=[Query(told("unrouted_events"), "events")],
                ),
                Panel(
                    title="Age of the oldest that is not routed",
                    normal="0: less than 15 seconds are not told apart. From a minute on somebody is paged.",
                    queries=[Query(told("oldest_unrouted_seconds"), "oldest")],
                    unit="s",
                ),
                Panel(
                    title="Rebalances of routers, in 15 minutes",
                    normal="None, but when routers start or stop; each holds routing up for a second or two.",
                    queries=[Query(f"sum(increase({of('rebalances_total', _ROUTERS)}[15m]))", "told their share")],
                ),
                Panel(
                    title="Topics that take no copies",
                    normal="None. A partition without a leader, or too few replicas in step; copies go around it.",
                    queries=[Query(told("avoided_topics", by="instance"), "{{instance}}")],
                ),
            ],
        ),
    ],
)

KAFKA: Final = Dashboard(
    "kafka",
    "Kafka and lag",
    "What Kafka holds for whom, who reads it, and whether it answers. Its own health its exporter's dashboards show.",
    [
        Row(
            "Lag",
            [
                Panel(
                    title="Events topic",
                    normal="What is accepted within half a second.",
                    queries=[Query(told("unrouted_events"), "not routed")],
                ),
                Panel(
                    title="Subscriptions' topics",
                    normal="Moving: next to none. Still and paused ones wait for their sinks, and are no load.",
                    queries=[Query(told("backlog_events", by="sink_type, state"), "{{sink_type}} {{state}}")],
                    stack=True,
                ),
                Panel(
                    title="Retry topics",
                    normal="Waiting is no lag: their time has not come. Overdue: none.",
                    queries=[Query(told("retry_backlog_events", by="sink_type, state"), "{{sink_type}} {{state}}")],
                    stack=True,
                ),
            ],
        ),
        Row(
            "Consumers",
            [
                Panel(
                    title="Partitions of workers",
                    normal="Level; each process about as many as another of its type.",
                    queries=[Query(total("assigned_partitions", by="instance, kind"), "{{instance}} {{kind}}")],
                ),
                Panel(
                    title="Rebalances, in 15 minutes",
                    normal="None, but when processes start or stop, or subscriptions come and go.",
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
                    title="Topics that there are",
                    normal="One for each subscription, a handful for each sink type; bounds: docs/partition-budget.md.",
                    queries=[Query(told("topics", by="kind"), "{{kind}}")],
                ),
                Panel(
                    title="Topics of nobody",
                    normal="None, or one for a quarter of an hour after a process died in the middle of a creation.",
                    queries=[Query(told("orphaned_topics", by="kind"), "{{kind}}")],
                ),
                Panel(
                    title="Topics of nobody that were removed, in a day",
                    normal="None.",
                    queries=[Query(f"sum(increase({of('orphaned_topics_removed_total')}[1d]))", "removed")],
                ),
            ],
        ),
        Row(
            "Whether it answers",
            [
                Panel(
                    title="Since when each process has its whole control topic",
                    normal="Up to 15 seconds: so often each asks. All at once: Kafka is away. One: its network.",
                    queries=[Query(of("control_age_seconds"), "{{instance}}")],
                    unit="s",
                ),
                Panel(
                    title="Age of the figures of backlogs",
                    normal="Up to 15 seconds, and what Kafka takes to answer.",
                    queries=[Query(told("backlog_age_seconds"), "age")],
                    unit="s",
                ),
                Panel(
                    title="Events that Kafka did not take, a second",
                    normal="None. invalid ones were never offered to it: they do not fit the catalogue.",
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
    "What comes in over HTTP, the primary, the delivery log.",
    [
        Row(
            "Requests",
            [
                Panel(
                    title="Requests a second, by status",
                    normal="2xx, and 4xx as clients make mistakes. 5xx: none; 503 is Kafka or no primary, 500 a bug.",
                    queries=[Query(rate("http_requests_total", by="server, status"), "{{server}} {{status}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="How long answers take",
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
                    title="Accepted a second, the ten busiest types",
                    normal="What your products make.",
                    queries=[Query(f"topk(10, {rate('accepted_events_total', by='event_type')})", "{{event_type}}")],
                    unit="ops",
                    width=12,
                ),
                Panel(
                    title="Refused a second, by reason",
                    normal="invalid: a product sends what does not fit the catalogue. The others: none.",
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
                    normal="One. None for seconds while it changes.",
                    queries=[Query(total("api_primary"), "primaries")],
                ),
                Panel(
                    title="Writes that replicas sent to the primary, a second",
                    normal="answered; nothing with a single API process. unanswered ones went to the next primary.",
                    queries=[Query(rate("api_forwarded_requests_total", by="outcome"), "{{outcome}}")],
                    unit="ops",
                ),
                Panel(
                    title="The delivery log's lag",
                    normal="Seconds. It touches no delivery: people see attempts so much later.",
                    queries=[Query(told("delivery_log_lag_seconds"), "lag")],
                    unit="s",
                ),
                Panel(
                    title="Attempts that the delivery log will never have, a second",
                    normal="None.",
                    queries=[Query(rate("attempt_log_dropped_total", by="sink_type"), "{{sink_type}}")],
                    unit="ops",
                    width=12,
                ),
                Panel(
                    title="Size of the delivery log",
                    normal="It grows to EVENTSTREAMS_DELIVERY_LOG_MAX_MIB, then the oldest entries go.",
                    queries=[Query(f"max by (instance) ({of('delivery_log_size_bytes')} > 0)", "{{instance}}")],
                    unit="bytes",
                    width=12,
                ),
            ],
        ),
    ],
)
