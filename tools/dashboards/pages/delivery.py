"""Dashboards on delivery: overall, by sink type, and by subscription."""

from typing import Final

from tools.dashboards.model import ALERTS_OF_IT, Dashboard, Panel, Query, Row, Variable
from tools.dashboards.pages.queries import OF_TYPE, of, quantile, rate, share, told, total

SINK_TYPES: Final = Variable("sink_type", "Sink type", of("due_events"), "sink_type", many=True)
_SUBSCRIPTIONS: Final = Variable("subscription", "Subscription", of("subscription_backlog_events"), "subscription_sid")
_STRAIGHT: Final = 'path="straight"'
_SLOW: Final = "eventstreams:slow_deliveries:"
_IN_TIME: Final = 'le="10.0"'
_OF_IT: Final = 'subscription_sid="$subscription"'

OVERVIEW: Final = Dashboard(
    "overview",
    "Overview",
    "Is everyone getting their events?",
    [
        Row(
            "Now",
            [
                Panel(
                    title="Alerts that page",
                    normal="None. Each links to a page in docs/runbooks with the commands to run.",
                    queries=[Query(f"count({ALERTS_OF_IT}) or vector(0)")],
                    kind="stat",
                    width=4,
                    bounds=(1, 1),
                ),
                Panel(
                    title="Accepted per second",
                    normal="What your products publish; if it drops to zero, look at them or at the gateway.",
                    queries=[Query(rate("accepted_events_total"))],
                    unit="ops",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    title="Delivered per second",
                    normal="Accepted events times matching subscriptions, except for events that wait or die.",
                    queries=[Query(rate("delivery_attempts_total", 'outcome="delivered"'))],
                    unit="ops",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    title="Delivered in time, unobstructed",
                    normal="99.9 % within ten seconds: the objective. Events held up by their own sink do not count.",
                    queries=[
                        Query(
                            f"{rate('delivery_seconds_bucket', _STRAIGHT, _IN_TIME)}"
                            f" / ({rate('delivery_seconds_count', _STRAIGHT)} > 0)"
                        )
                    ],
                    unit="percentunit",
                    kind="stat",
                    width=4,
                    bounds=(0.9995, 0.999),
                ),
                Panel(
                    title="Oldest moving event",
                    normal="Below a minute. At half of the events' time (two hours) someone is paged.",
                    queries=[Query(told("oldest_undelivered_seconds", 'state="moving"'))],
                    unit="s",
                    kind="stat",
                    width=4,
                    bounds=(60, 7200),
                ),
                Panel(
                    title="Dead letters per hour",
                    normal="As many as yesterday; most are refused by sinks. They are kept for 14 days and can be "
                    "redriven.",
                    queries=[Query(f"sum(increase({of('dead_letters_total')}[1h]))")],
                    kind="stat",
                    width=4,
                ),
            ],
        ),
        Row(
            "From acceptance to delivery",
            [
                Panel(
                    title="Events per second",
                    normal="Delivered follows routed, which follows accepted: the levels differ, but they move "
                    "together.",
                    queries=[
                        Query(rate("accepted_events_total"), "accepted"),
                        Query(rate("routed_copies_total"), "routed copies"),
                        Query(rate("delivery_attempts_total", 'outcome="delivered"'), "delivered"),
                    ],
                    unit="ops",
                ),
                Panel(
                    title="From acceptance to delivery, unobstructed",
                    normal="Half within 100 ms, 99 % within two seconds, also while something restarts.",
                    queries=[
                        Query(quantile(0.5, "delivery_seconds", _STRAIGHT), "p50"),
                        Query(quantile(0.99, "delivery_seconds", _STRAIGHT), "p99"),
                    ],
                    unit="s",
                ),
                Panel(
                    title="Attempts that delivered",
                    normal="Close to 100 % for each type; one customer's broken sink is barely visible, a common "
                    "failure is.",
                    queries=[
                        Query(share("delivery_attempts_total", 'outcome="delivered"', by="sink_type"), "{{sink_type}}")
                    ],
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Backlog",
            [
                Panel(
                    title="Waiting events",
                    normal="Moving: next to none. Still: customers' sinks that are failing. Paused: by their owners.",
                    queries=[Query(f"sum by (state) ({told('backlog_events', by='sink_type, state')})", "{{state}}")],
                    stack=True,
                ),
                Panel(
                    title="Age of the oldest event",
                    normal="Moving: seconds. Still and paused grow on their own, up to an event's four hours.",
                    queries=[Query(told("oldest_undelivered_seconds", by="state"), "{{state}}")],
                    unit="s",
                ),
                Panel(
                    title="Dead letters per second, by reason",
                    normal="Refused and too_large are the sinks' answers; expired means that a sink failed for "
                    "too long; undecodable, unknown_… and …_header are faults of ours, and there should be "
                    "none.",
                    queries=[Query(rate("dead_letters_total", by="reason"), "{{reason}}")],
                    unit="ops",
                    stack=True,
                ),
            ],
        ),
        Row(
            "The system",
            [
                Panel(
                    title="Sinks, by state",
                    normal="Nearly all open. A sink counts once per worker that has some of its subscriptions.",
                    queries=[Query(total("sinks", by="state"), "{{state}}")],
                    stack=True,
                ),
                Panel(
                    title="Processes that are not ready",
                    normal="None, except for seconds while something starts or stops.",
                    queries=[Query(f"count({of('ready')} == 0) or vector(0)", "not ready")],
                ),
                Panel(
                    title="Longest time without an answer from Kafka",
                    normal="Up to 15 seconds, the interval at which each process asks.",
                    queries=[Query(told("control_age_seconds"), "oldest control snapshot")],
                    unit="s",
                ),
            ],
        ),
    ],
)

SINK_TYPE: Final = Dashboard(
    "sink-type",
    "Sink type",
    "How events are delivered to the sinks of one type.",
    [
        Row(
            "Attempts",
            [
                Panel(
                    title="Attempts per second, by outcome",
                    normal="Mostly delivered. retry_later is retried; rejected becomes a dead letter.",
                    queries=[Query(rate("delivery_attempts_total", OF_TYPE, by="outcome"), "{{outcome}}")],
                    unit="ops",
                    stack=True,
                ),
                Panel(
                    title="Failed attempts per second, by reason",
                    normal="Failures of customers' sinks. plugin_… are bugs of ours, and there should be none.",
                    queries=[
                        Query(
                            rate("delivery_attempts_total", OF_TYPE, 'outcome!="delivered"', by="reason"), "{{reason}}"
                        )
                    ],
                    unit="ops",
                ),
                Panel(
                    title="How long attempts take",
                    normal="As long as the sinks take to answer; a p99 of five seconds or more means timeouts.",
                    queries=[
                        Query(quantile(0.5, "delivery_attempt_seconds", OF_TYPE), "p50"),
                        Query(quantile(0.99, "delivery_attempt_seconds", OF_TYPE), "p99"),
                    ],
                    unit="s",
                ),
            ],
            for_each="sink_type",
        ),
        Row(
            "Delay",
            [
                Panel(
                    title="Acceptance to delivery, straight",
                    normal="Half within 100 ms, 99 % within two seconds: these are not held up by any sink.",
                    queries=[
                        Query(quantile(0.5, "delivery_seconds", OF_TYPE, _STRAIGHT), "p50"),
                        Query(quantile(0.99, "delivery_seconds", OF_TYPE, _STRAIGHT), "p99"),
                    ],
                    unit="s",
                ),
                Panel(
                    title="Acceptance to delivery, on detours",
                    normal="Anything: events that were retried, followed a sink's trouble within five minutes, or "
                    "were redriven.",
                    queries=[
                        Query(quantile(0.5, "delivery_seconds", OF_TYPE, 'path="detour"'), "p50"),
                        Query(quantile(0.99, "delivery_seconds", OF_TYPE, 'path="detour"'), "p99"),
                    ],
                    unit="s",
                ),
                Panel(
                    title="Late deliveries, as a share of the straight ones",
                    normal="Below 0.1 %, the objective. Above 1.44 % for an hour, someone is paged.",
                    queries=[
                        Query(of("ratio_rate5m", OF_TYPE, prefix=_SLOW), "{{sink_type}}, 5 min"),
                        Query(of("ratio_rate1h", OF_TYPE, prefix=_SLOW), "{{sink_type}}, 1 h"),
                    ],
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Sinks and workers",
            [
                Panel(
                    title="Sinks, by state",
                    normal="Open. Broken ones failed ten times in a row; waiting ones asked for a pause, or have a low "
                    "rate limit.",
                    queries=[Query(total("sinks", OF_TYPE, by="state"), "{{state}}")],
                    stack=True,
                ),
                Panel(
                    title="Attempts in progress, and their limit",
                    normal="Well below the limit. At the limit, the sinks are the bottleneck, or workers have no "
                    "CPU left.",
                    queries=[
                        Query(total("in_flight_events", OF_TYPE), "events in progress"),
                        Query(total("attempt_limit", OF_TYPE), "limit, attempts"),
                    ],
                ),
                Panel(
                    title="Due events, as seen by an autoscaler",
                    normal="Next to none. It grows when there are too few workers, but not with events for broken "
                    "sinks.",
                    queries=[Query(told("due_events", OF_TYPE, by="sink_type"), "{{sink_type}}")],
                ),
            ],
        ),
        Row(
            "Backlog",
            [
                Panel(
                    title="Waiting events, by state",
                    normal="Moving: next to none. Still: failing sinks. Paused: by their owners.",
                    queries=[Query(told("backlog_events", OF_TYPE, by="sink_type, state"), "{{sink_type}} {{state}}")],
                    stack=True,
                ),
                Panel(
                    title="Subscriptions with the largest backlogs",
                    normal="Those of broken and paused sinks. Their names link to the dashboard of one subscription.",
                    queries=[
                        Query(
                            told("subscription_backlog_events", OF_TYPE, by="subscription_sid"), "{{subscription_sid}}"
                        )
                    ],
                    kind="bargauge",
                ),
                Panel(
                    title="CPU of the workers, in cores",
                    normal="Below one: a worker is a single thread. Add workers before it gets there.",
                    queries=[
                        Query(
                            f"max by (instance) (rate({of('process_cpu_seconds_total', prefix='')}[$__rate_interval])"
                            f" and on (instance) {of('attempt_limit', OF_TYPE)})",
                            "{{instance}}",
                        )
                    ],
                ),
            ],
        ),
    ],
    [SINK_TYPES],
)

SUBSCRIPTION: Final = Dashboard(
    "subscription",
    "One subscription",
    "Backlog for one of the subscriptions with the most, and where to see the rest of it.",
    [
        Row(
            "Backlog",
            [
                Panel(
                    title="Events waiting for their first attempt",
                    normal="None, in which case it is not shown: only the subscriptions with the largest backlogs "
                    "are (EVENTSTREAMS_METRICS_SUBSCRIPTIONS, 20).",
                    queries=[Query(told("subscription_backlog_events", _OF_IT), "events")],
                    width=12,
                ),
                Panel(
                    title="Time since one of them was settled",
                    normal="Seconds. From five minutes on, its sink is failing or paused, or a worker is stuck.",
                    queries=[Query(told("subscription_still_seconds", _OF_IT), "still")],
                    unit="s",
                    width=12,
                ),
            ],
        ),
        Row(
            "Everything else",
            [
                Panel(
                    title="Attempts, errors, dead letters",
                    normal="No other metric has a subscription or account label, to keep their number small. The "
                    "delivery log has every attempt.",
                    kind="text",
                    width=24,
                    text=(
                        "As the account that owns the subscription (`docs/sink-health.md`, `docs/delivery-log.md`):\n\n"
                        "```sh\n"
                        'curl -u "$SID:$TOKEN" "$API/v1/Subscriptions/$subscription"            # its sink\n'
                        'curl -u "$SID:$TOKEN" "$API/v1/Sinks/DG…/Health"                        # how that is\n'
                        'curl -u "$SID:$TOKEN" "$API/v1/Attempts?SubscriptionSid=$subscription"  # newest first\n'
                        "eventstreams dead-letters list --subscription $subscription\n"
                        "eventstreams redrive --subscription $subscription --reason expired\n"
                        "```\n"
                    ),
                )
            ],
        ),
    ],
    [_SUBSCRIPTIONS],
)
