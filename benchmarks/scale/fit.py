"""A model of the cost, and how far it is off. Pure: from the points measured to the figures that sizes are made of.

    router   first copy + next copy x (copies - 1) + KiB of an event
    worker   event + request / batch + KiB of an event
    log      of a delivery, in the API
    kafka    event / copies + delivery + KiB of an event

All in µs of CPU. At low rates each role wakes up for a few events at a time, which comes on top: ``awake``, in cores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import linear_regression, mean
from typing import Final

from benchmarks.path.house import EVENT_BYTES
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
    """What was fitted. ``us`` are of one event or delivery; ``kib_us`` and ``awake_cores`` by role."""

    router_first_us: float
    router_next_us: float
    worker_event_us: float
    worker_request_us: float
    log_us: float
    kafka_event_us: float
    kafka_delivery_us: float
    kib_us: Mapping[str, float]
    awake_cores: Mapping[str, float]

    def us(self, role: str, *, copies: float = 1, batch: float = 1, event_bytes: float = EVENT_BYTES) -> float:
        """CPU of ``role`` for a delivery at full speed."""
        base = {
            "router": (self.router_first_us + self.router_next_us * (copies - 1)) / copies,
            "worker": self.worker_event_us + self.worker_request_us / batch,
            "api": self.log_us,
            "kafka": self.kafka_event_us / copies + self.kafka_delivery_us,
        }
        return base[role] + self.kib_us[role] * (event_bytes - EVENT_BYTES) / KIB


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
        slope, at_zero = linear_regression([x(each.x) for each in found], [y(each) for each in found])
        return Line(at_zero, slope)

    def of_event(role: str) -> Line:
        """By copies, for each event instead of each copy."""
        return line("copies", float, lambda point: point.us[role] * point.x)

    def of_size(role: str) -> float:
        return max(line("bytes", lambda size: size / KIB, lambda point: point.us[role]).slope, 0.0)

    router, kafka = of_event("router"), of_event("kafka")
    worker = line("batch", lambda batch: 1 / batch, lambda point: point.us["worker"])
    log_us = mean(each.us["api"] for each in (*by_curve["batch"], *by_curve["copies"]))
    still = Model(
        router_first_us=router.at_zero + router.slope,
        router_next_us=router.slope,
        worker_event_us=worker.at_zero,
        worker_request_us=worker.slope,
        log_us=log_us,
        kafka_event_us=kafka.at_zero,
        kafka_delivery_us=kafka.slope,
        kib_us={role: of_size(role) for role in ROLES},
        awake_cores=dict.fromkeys(ROLES, 0.0),
    )
    awake = {role: max(_beyond(still, each, role) for each in by_curve["rate"]) for role in ROLES}
    return replace(still, awake_cores=awake)


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
            return model.us(role) + model.awake_cores[role] / point.x * 1e6
        case _:
            return model.us(role)


def _measured_us(point: Point) -> float:
    return sum(point.us[role] for role in ROLES)


def _beyond(model: Model, point: Point, role: str) -> float:
    """Cores that ``role`` took at a fixed rate beyond what the same events take at full speed."""
    return max(point.x * (point.us[role] - model.us(role)) / 1e6, 0.0)
