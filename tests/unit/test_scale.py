"""The model of the cost: it finds what it is given, says how far it is off, and is what sizes are made of."""

import pytest

from benchmarks.scale.__main__ import PICTURES, kept_points
from benchmarks.scale.chart import drawn
from benchmarks.scale.fit import ROLES, Model, fit, off
from benchmarks.scale.points import Point
from eventstreams.sizing import measured

TRUE = Model(
    router_first_us=20.0,
    router_next_us=5.0,
    worker_event_us=50.0,
    worker_request_us=100.0,
    log_us=40.0,
    kafka_delivery_us=20.0,
    kib_us={"router": 1.0, "worker": 3.0, "api": 0.0, "kafka": 2.0},
    awake_us={"router": 1000.0, "worker": 1000.0, "api": 0.0, "kafka": 2000.0},
    awake_cores={"router": 0.5, "worker": 0.1, "api": 0.0, "kafka": 0.4},
)


def at(curve: str, x: float) -> Point:
    copies, batch, size = (
        x if curve == each else default for each, default in (("copies", 1), ("batch", 1), ("bytes", 500))
    )
    extra = {role: TRUE.waking_us(role, x) if curve == "rate" else 0.0 for role in ROLES}
    us = {role: TRUE.us(role, copies=copies, batch=batch, event_bytes=size) + extra[role] for role in ROLES}
    return Point(curve, x, us, 1.0)


POINTS = [
    *(at("copies", x) for x in (1, 3, 10)),
    *(at("batch", x) for x in (1, 10, 100)),
    *(at("bytes", x) for x in (500, 8_000, 128_000)),
    *(at("rate", x) for x in (50, 1_000)),
    *(at("delay_ms", x) for x in (0, 100)),
]


def test_a_cost_that_follows_the_model_is_found_exactly() -> None:
    found = fit(POINTS)

    assert found.router_first_us == pytest.approx(TRUE.router_first_us)
    assert found.router_next_us == pytest.approx(TRUE.router_next_us)
    assert found.worker_event_us == pytest.approx(TRUE.worker_event_us)
    assert found.worker_request_us == pytest.approx(TRUE.worker_request_us)
    assert found.log_us == pytest.approx(TRUE.log_us)
    assert found.kafka_delivery_us == pytest.approx(TRUE.kafka_delivery_us)
    assert found.kib_us == pytest.approx(TRUE.kib_us)
    assert found.awake_us == pytest.approx(TRUE.awake_us)
    assert found.awake_cores == pytest.approx(TRUE.awake_cores)
    assert [each.share for each in off(found, POINTS)] == pytest.approx([0.0] * len(POINTS))


def test_a_point_beside_the_model_is_told_with_its_share() -> None:
    beside = Point("delay_ms", 50, {role: 2 * TRUE.us(role) for role in ROLES}, 1.0)

    [found] = off(TRUE, [beside])

    assert found.share == pytest.approx(-0.5)


def test_sizes_are_made_of_what_was_measured() -> None:
    model = fit(kept_points())

    assert round(model.router_first_us, 1) == measured.ROUTER_FIRST_COPY_US
    assert round(model.router_next_us, 1) == measured.ROUTER_NEXT_COPY_US
    assert round(model.worker_event_us, 1) == measured.WORKER_EVENT_US
    assert round(model.worker_request_us, 1) == measured.WORKER_REQUEST_US
    assert round(model.log_us, 1) == measured.LOG_US
    assert round(model.kafka_delivery_us, 1) == measured.KAFKA_DELIVERY_US
    assert {role: round(us, 1) for role, us in model.kib_us.items()} == measured.KIB_US


def test_the_pictures_are_of_what_was_measured() -> None:
    for name, picture in drawn(kept_points()).items():
        kept = (PICTURES / name).read_text()
        assert kept.count("<circle") == picture.count("<circle") > 0
