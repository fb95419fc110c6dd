"""The dashboard on retries and dead letters."""

from typing import Final

from tools.dashboards.model import Dashboard, Panel, Query, Row
from tools.dashboards.pages.delivery import SINK_TYPES
from tools.dashboards.pages.queries import OF_TYPE, of, rate, told

RETRIES: Final = Dashboard(
    "retries",
    "Retries and dead letters",
    "What is tried again, when, and what became a dead letter.",
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
                    title="Scheduled a second, by reason",
                    normal="What customers' sinks do. plugin_… are bugs of ours, and there should be none.",
                    queries=[Query(rate("retries_scheduled_total", OF_TYPE, by="reason"), "{{reason}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Scheduled when half their time was over",
                    normal="None: most events are delivered within minutes, or wait for a broken sink, untried.",
                    queries=[Query(rate("late_retries_total", OF_TYPE, by="sink_type"), "{{sink_type}}")],
                    unit="ops",
                ),
            ],
        ),
        Row(
            "Dead letters",
            [
                Panel(
                    title="A second, by reason",
                    normal="Refused, too_large, no_such_stream: the sinks' answers. Expired: sinks that failed for too "
                    "long. undecodable, unknown_…, …_header: ours, and there should be none.",
                    queries=[Query(rate("dead_letters_total", OF_TYPE, by="reason"), "{{reason}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Expired a second",
                    normal="None. Their sinks failed, or were paused, for all of their time.",
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
            "What is put back, and what keeps workers from writing",
            [
                Panel(
                    title="Redriven and replayed a second",
                    normal="Nothing, unless somebody asked for it; then at the rate that he asked for.",
                    queries=[Query(rate("redriven_events_total", OF_TYPE, by="kind"), "{{kind}}")],
                    unit="ops",
                ),
                Panel(
                    title="Writes to retry and dead-letter topics that failed",
                    normal="None. They are repeated, and their lanes wait meanwhile.",
                    queries=[Query(rate("settle_failures_total", OF_TYPE, by="sink_type"), "{{sink_type}}")],
                    unit="ops",
                ),
                Panel(
                    title="Notices to subscribers a second",
                    normal="Few, while sinks fail; dropped ones were too many at once.",
                    queries=[Query(rate("failure_notices_total", by="outcome"), "{{outcome}}")],
                    unit="ops",
                ),
            ],
        ),
    ],
    [SINK_TYPES],
)
