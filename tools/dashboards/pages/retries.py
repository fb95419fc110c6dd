"""The dashboard on retries and dead letters."""

from typing import Final

from tools.dashboards.model import Dashboard, Panel, Query, Row
from tools.dashboards.pages.delivery import SINK_TYPES
from tools.dashboards.pages.queries import OF_TYPE, of, rate, told

RETRIES: Final = Dashboard(
    "retries",
    "Retries and dead letters",
    "What is retried and when, and what became a dead letter.",
    [
        Row(
            "Retries",
            [
                Panel(
                    title="On retry topics, by state",
                    normal="Waiting: as many as fail. Due: next to none. Overdue: none, ever.",
                    queries=[
                        Query(told("retry_backlog_events", OF_TYPE, by="sink_type, state"), "{{sink_type}} {{state}}")
                    ],
                    stack=True,
                ),
                Panel(
                    title="Scheduled per second, by reason",
                    normal="Failures of customers' sinks. plugin_… are bugs of ours, and there should be none.",
                    queries=[Query(rate("retries_scheduled_total", OF_TYPE, by="reason"), "{{reason}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Scheduled after half of their time",
                    normal="None: most events are delivered within minutes, or wait for a broken sink without "
                    "attempts.",
                    queries=[Query(rate("late_retries_total", OF_TYPE, by="sink_type"), "{{sink_type}}")],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "Dead letters",
            [
                Panel(
                    title="Per second, by reason",
                    normal="Refused, too_large, no_such_stream: the sinks' answers. Expired: sinks that failed "
                    "for too long. undecodable, unknown_…, …_header: faults of ours, and there should be "
                    "none.",
                    queries=[Query(rate("dead_letters_total", OF_TYPE, by="reason"), "{{reason}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Expired per second",
                    normal="None. Otherwise, their sinks failed or were paused for all of their time.",
                    queries=[
                        Query(rate("dead_letters_total", OF_TYPE, 'reason="expired"', by="sink_type"), "{{sink_type}}")
                    ],
                    unit="ops",
                ),
                Panel(
                    title="In 24 hours, by reason",
                    normal="As many as the day before. They are kept for 14 days.",
                    queries=[Query(f"sum by (sink_type, reason) (increase({of('dead_letters_total', OF_TYPE)}[24h]))")],
                    kind="table",
                ),
            ],
        ),
        Row(
            "Redrives, and failed writes of workers",
            [
                Panel(
                    title="Redriven and replayed per second",
                    normal="Nothing, unless someone requested it; then the requested rate.",
                    queries=[Query(rate("redriven_events_total", OF_TYPE, by="kind"), "{{kind}}")],
                    unit="ops",
                ),
                Panel(
                    title="Failed writes to retry and dead-letter topics",
                    normal="None. They are repeated while their lanes wait.",
                    queries=[Query(rate("settle_failures_total", OF_TYPE, by="sink_type"), "{{sink_type}}")],
                    unit="ops",
                ),
                Panel(
                    title="Notices to subscribers per second",
                    normal="Few, while sinks are failing; if there are too many at once, some are dropped.",
                    queries=[Query(rate("failure_notices_total", by="outcome"), "{{outcome}}")],
                    unit="ops",
                ),
            ],
        ),
    ],
    [SINK_TYPES],
)
