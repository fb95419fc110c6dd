"""A model of the cost, and how far it is off. Pure: from the points measured to the figures that sizes are made of.

    router   first copy + next copy x (copies - 1) + KiB of an event
    worker   event + request / batch + KiB of an event
    log      of a delivery, in the API
    kafka    of a delivery + KiB of an event

All in µs of CPU. At low rates each role wakes up for a few events at a time, which comes on top: so many µs an event,
up to so many cores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import linear_regression, mean
from typing import Final

from benchmarks.path.installation import EVENT_BYTES
from benchmarks.scale.points import Point

KIB: Final = 1024
ROLES: Final = ("router", "worker", "api", "kafka")


@dataclass(frozen=True, slots=True)
class Line:
    """``at_zero + slope * x``."""

    at_zero: float
    slope: float


@dataclass(frozen=True, slots=True)
class Model:
    """What was fitted, by role where it is a mapping. ``us`` are of one event or delivery."""

    router_first_us: float
    router_next_us: float
    worker_event_us: float
    worker_request_us: float
    log_us: float
    kafka_delivery_us: float
    kib_us: Mapping[str, float]
    awake_us: Mapping[str, float]
    awake_cores: Mapping[str, float]

    def us(self, role: str, *, copies: float = 1, batch: float = 1, event_bytes: float = EVENT_BYTES) -> float:
        """CPU of ``role`` for a delivery at full speed."""
        base = {
            "router": (self.router_first_us + self.router_next_us * (copies - 1)) / copies,
            "worker": self.worker_event_us + self.worker_request_us / batch,
            "api": self.log_us,
            "kafka": self.kafka_delivery_us,
        }
        return base[role] + self.kib_us[role] * (event_bytes - EVENT_BYTES) / KIB

    def waking_us(self, role: str, rate: float) -> float:
        """CPU of ``role`` for an event beyond that, where there are ``rate`` of them a second."""
        return min(self.awake_us[role], self.awake_cores[role] / rate * 1e6)


@dataclass(frozen=True, slots=True)
class Off:
    """A point, what the model says of it, and by what share that is too much (negative: too little); all roles."""

    point: Point
    model_us: float
    measured_us: float

    @property
    def share(self) -> float:
        return self.model_us / self.measured_us - 1


def fit(points: Sequence[Point]) -> Model:
    """The model that fits ``points``, which have every curve."""
    by_curve = {name: [each for each in points if each.curve == name] for name in {each.curve for each in points}}

    def line(curve: str, x: Callable[[float], float], y: Callable[[Point], float]) -> Line:
        found = by_curve[curve]
        xs, ys = [x(each.x) for each in found], [y(each) for each in found]
        slope, at_zero = linear_regression(xs, ys)
        if at_zero < 0:  # nothing gives CPU back
            slope, at_zero = linear_regression(xs, ys, proportional=True)
        return Line(at_zero, slope)

    def of_size(role: str) -> float:
        return max(line("bytes", lambda size: size / KIB, lambda point: point.us[role]).slope, 0.0)

    router = line("copies", float, lambda point: point.us["router"] * point.x)  # of an event, not of each copy
    worker = line("batch", lambda batch: 1 / batch, lambda point: point.us["worker"])
    log_us = mean(each.us["api"] for each in (*by_curve["batch"], *by_curve["copies"]))
    still = Model(
        router_first_us=router.at_zero + router.slope,
        router_next_us=router.slope,
        worker_event_us=worker.at_zero,
        worker_request_us=worker.slope,
        log_us=log_us,
        kafka_delivery_us=mean(each.us["kafka"] for each in by_curve["copies"]),
        kib_us={role: of_size(role) for role in ROLES},
        awake_us=dict.fromkeys(ROLES, 0.0),
        awake_cores=dict.fromkeys(ROLES, 0.0),
    )
    beyond = {role: {each.x: max(each.us[role] - still.us(role), 0.0) for each in by_curve["rate"]} for role in ROLES}
    return replace(
        still,
        awake_us={role: max(us.values()) for role, us in beyond.items()},
        awake_cores={role: max(rate * us / 1e6 for rate, us in found.items()) for role, found in beyond.items()},
    )


def off(model: Model, points: Sequence[Point]) -> Sequence[Off]:
    """How far ``model`` is from each of ``points``, those at a fixed rate included."""
    return [Off(each, sum(_model_us(model, each, role) for role in ROLES), _measured_us(each)) for each in points]


def _model_us(model: Model, point: Point, role: str) -> float:
    match point.curve:
        case "copies":
            return model.us(role, copies=point.x)
        case "batch":
            return model.us(role, batch=point.x)
        case "bytes":
            return model.us(role, event_bytes=point.x)
        case "rate":
            return model.us(role) + model.waking_us(role, point.x)
        case _:
            return model.us(role)


def _measured_us(point: Point) -> float:
    return sum(point.us[role] for role in ROLES)
