"""What the overview shows: counts of the API as a flow, and the flow as a drawing of bounded size."""

from collections.abc import Sequence
from typing import Any

import pytest

from control_api.console.flow import flow_of
from control_api.console.flow_chart import MOST, chart_of

NOTHING: dict[str, Any] = {
    "since": "2026-03-29T04:00:00.000Z",
    "until": "2026-03-29T04:00:10.000Z",
    "accepted": [],
    "accepted_seconds": 10.0,
    "deliveries": [],
    "deliveries_seconds": 10.0,
}


def delivery(subscription: str | None, sink: str | None, **counts: int) -> dict[str, Any]:
    kinds = {"delivered": 0, "retry_later": 0, "rejected": 0, "died": 0, "redriven": 0}
    return {"subscription_sid": subscription, "sink_sid": sink, "type": "t", "product": "messaging", **kinds, **counts}


def subscriptions(count: int) -> Sequence[dict[str, Any]]:
    return [{"sid": f"DF{n}", "sink_sid": f"DG{n}", "description": f"subscription {n:03d}"} for n in range(count)]


def sinks(count: int) -> Sequence[dict[str, Any]]:
    return [{"sid": f"DG{n}", "description": f"sink {n:03d}"} for n in range(count)]


def test_counts_become_rates_of_each_product_subscription_and_sink() -> None:
    counts = {
        **NOTHING,
        "accepted": [
            {"type": "t", "product": "messaging", "events": 30},
            {"type": "u", "product": "messaging", "events": 20},
            {"type": "gone", "product": None, "events": 10},
        ],
        "deliveries": [
            delivery("DF0", "DG0", delivered=40, retry_later=5),
            delivery("DF1", "DG1", rejected=4, died=1, redriven=7),
        ],
    }
    waiting = [{"subscription_sid": "DF1", "waiting": 8, "oldest_waiting": "2026-03-29T03:00:00.000Z"}]

    flow = flow_of(counts, waiting, subscriptions(2), sinks(2))

    assert {each.name: each.accepted for each in flow.products.values()} == {"messaging": 5.0, "other": 1.0}
    assert (flow.accepted, flow.delivered, flow.failed) == (6.0, 4.0, 1.0)
    assert (flow.subscriptions["DF0"].delivered, flow.subscriptions["DF0"].failed) == (4.0, 0.5)
    assert (flow.sinks["DG1"].delivered, flow.sinks["DG1"].failed) == (0.0, 0.5)
    assert flow.to_subscriptions["messaging", "DF1"].failed == 0.5
    assert (flow.waiting, flow.oldest_waiting) == (8, "2026-03-29T03:00:00.000Z")
    assert not flow.sampled


def test_rates_are_of_the_time_that_was_counted_and_it_is_said_that_there_was_more() -> None:
    counts = {
        **NOTHING,
        "accepted": [{"type": "t", "product": "messaging", "events": 20_000}],
        "accepted_seconds": 4.0,
    }

    flow = flow_of(counts, [], [], [])

    assert (flow.accepted, flow.sampled, flow.seconds) == (5_000.0, True, 4.0)


def test_what_is_of_no_subscription_any_more_is_counted_and_drawn_nowhere() -> None:
    counts = {**NOTHING, "deliveries": [delivery(None, None, delivered=10), delivery("DF9", "DG9", delivered=10)]}

    flow = flow_of(counts, [], subscriptions(1), sinks(1))
    chart = chart_of(flow)

    assert flow.delivered == 2.0
    assert [each.node.name for each in chart.boxes] == ["messaging", "subscription 000", "sink 000"]
    assert len(chart.bands) == 1


@pytest.mark.parametrize("count", [1, MOST, MOST + 1, 100])
def test_a_drawing_has_room_for_so_many_and_says_how_many_more_there_are(count: int) -> None:
    busy = [delivery(f"DF{n}", f"DG{n}", delivered=n) for n in range(count)]
    flow = flow_of({**NOTHING, "deliveries": busy}, [], subscriptions(count), sinks(count))

    chart = chart_of(flow)

    drawn = [box for box in chart.boxes if box.node.href.startswith("/console/subscriptions") or box.others]
    column = [box for box in chart.boxes if box.x == drawn[0].x]
    assert len(column) == min(count, MOST)
    assert sum(box.others or 1 for box in column) == count
    assert sum(box.node.delivered for box in column) == pytest.approx(flow.delivered)
    assert len({(box.x, box.y) for box in chart.boxes}) == len(chart.boxes)
    assert max(box.y for box in chart.boxes) < chart.height
    if count > MOST:
        assert column[-1].node.name == f"{count - MOST + 1} more"
        assert f"subscription {count - 1:03d}" in [box.node.name for box in column]
        assert "subscription 000" not in [box.node.name for box in column]


def test_what_fails_is_marked_and_what_rests_is_not() -> None:
    busy = [delivery("DF0", "DG0", delivered=98, retry_later=2), delivery("DF1", "DG1", delivered=100)]

    chart = chart_of(flow_of({**NOTHING, "deliveries": busy}, [], subscriptions(3), sinks(3)))

    states = {box.node.key: box.state for box in chart.boxes if box.node.key.startswith("DF")}
    assert states == {"DF0": "bad", "DF1": "good", "DF2": "off"}
    assert {band.state for band in chart.bands} == {"bad", "good", "off"}
    assert all(1 < band.width < 15 for band in chart.bands)


def test_what_waits_is_not_said_before_anybody_has_looked() -> None:
    assert not flow_of(NOTHING, None, subscriptions(1), sinks(1)).known_waiting
    assert flow_of(NOTHING, [], subscriptions(1), sinks(1)).known_waiting


def test_sinks_stand_beside_the_subscriptions_that_deliver_to_them() -> None:
    crossed = [{**each, "sink_sid": f"DG{2 - at}"} for at, each in enumerate(subscriptions(3))]

    boxes = chart_of(flow_of(NOTHING, [], crossed, sinks(4))).boxes

    assert [each.node.key for each in boxes if each.node.key.startswith("DG")] == ["DG2", "DG1", "DG0", "DG3"]
