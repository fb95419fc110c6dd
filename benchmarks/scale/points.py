"""The measurements for the curves: each varies one parameter, and the others are as in ``benchmarks.path``."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.path.cases import Ran, run_path
from benchmarks.path.installation import RunningInstallation

RATES: Final = (100, 250, 500, 1_000, 2_000)
SIZES: Final = {500: 10_000, 2_000: 8_000, 8_000: 4_000, 32_000: 2_000, 128_000: 1_000}  # bytes each: number of events
BATCHES: Final = (1, 10, 100)
COPIES: Final = (1, 3, 10)
DELAYS_MS: Final = (0, 5, 50, 100)
_EVENTS: Final = 10_000
_RATE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement.

    Attributes:
        curve: Name of the parameter that is varied; ``x`` is its value.
        us: CPU of each role per delivery, in µs.
        rate: Deliveries per second.
    """

    curve: str
    x: float
    us: Mapping[str, float]
    rate: float


def on_the_path(installation: RunningInstallation) -> Iterator[Point]:
    """Measure the curves that need the whole system."""

    def point(curve: str, x: float, ran: Ran) -> Point:
        roles = {name.partition("-")[0]: us for name, us in ran.us.items() if name not in {"gateway", "receiver"}}
        return Point(curve, x, roles, ran.rate)

    def curve(name: str, values: Iterator[float], run: Callable[[float], Ran]) -> Iterator[Point]:
        for value in values:
            yield point(name, value, run(value))

    def of_rate(rate: float) -> Ran:
        return run_path(installation, "rate", round(rate * _RATE_S), rate=rate)

    def of_size(size: float) -> Ran:
        return run_path(installation, "bytes", SIZES[int(size)], event_bytes=int(size))

    def of_batch(batch: float) -> Ran:
        config = {"batch_events": True, "batch_max_events": int(batch), "batch_linger_ms": 50} if batch > 1 else {}
        return run_path(installation, "batch", 2 * _EVENTS, config=config)

    def of_copies(copies: float) -> Ran:
        return run_path(installation, "copies", round(2 * _EVENTS / copies), sinks=int(copies))

    def of_delay(delay_ms: float) -> Ran:
        return run_path(installation, "delay", _EVENTS, delay_ms=int(delay_ms))

    yield from curve("bytes", iter(SIZES), of_size)
    yield from curve("batch", iter(BATCHES), of_batch)
    yield from curve("copies", iter(COPIES), of_copies)
    yield from curve("delay_ms", iter(DELAYS_MS), of_delay)
    yield from curve("rate", iter(RATES), of_rate)  # last: by then Kafka's JVM has compiled its hot code
