"""A cost model fitted to the measured points, and its error; ``eventstreams sizing`` uses its figures. No I/O.

    router   first copy + next copy x (copies - 1) + KiB of an event
    worker   event + request / batch + KiB of an event
    log      of a delivery, in the API
    kafka    of a delivery + KiB of an event

All in µs of CPU. At low rates each role wakes up for a few events at a time, which costs extra: ``awake_us`` per event,
but at most ``awake_cores`` in all.
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
    """The fitted figures; mappings are by role. ``us`` are per event or delivery."""

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
        """Return the CPU of ``role`` per delivery at full speed, in µs."""
        base = {
            "router": (self.router_first_us + self.router_next_us * (copies - 1)) / copies,
            "worker": self.worker_event_us + self.worker_request_us / batch,
            "api": self.log_us,
            "kafka": self.kafka_delivery_us,
        }
        return base[role] + self.kib_us[role] * (event_bytes - EVENT_BYTES) / KIB

    def waking_us(self, role: str, rate: float) -> float:
        """Return the extra CPU of ``role`` per event at ``rate`` events per second, in µs."""
        return min(self.awake_us[role], self.awake_cores[role] / rate * 1e6)


@dataclass(frozen=True, slots=True)
class Off:
    """A point with the model's and the measured cost of all roles; ``share`` is the relative error of the model."""

    point: Point
    model_us: float
    measured_us: float

    @property
    def share(self) -> float:
        return self.model_us / self.measured_us - 1


def fit(points: Sequence[Point]) -> Model:
    """Fit a model to ``points``, which must include every curve."""
    by_curve = {name: [each for each in points if each.curve == name] for name in {each.curve for each in points}}

    def line(curve: str, x: Callable[[float], float], y: Callable[[Point], float]) -> Line:
        found = by_curve[curve]
        xs, ys = [x(each.x) for each in found], [y(each) for each in found]
        slope, at_zero = linear_regression(xs, ys)
        if at_zero < 0:  # there is no negative cost
            slope, at_zero = linear_regression(xs, ys, proportional=True)
        return Line(at_zero, slope)

    def of_size(role: str) -> float:
        return max(line("bytes", lambda size: size / KIB, lambda point: point.us[role]).slope, 0.0)

    router = line("copies", float, lambda point: point.us["router"] * point.x)  # per event, not per copy
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
    """Return the model's error at each of ``points``, including those at a fixed rate."""
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
