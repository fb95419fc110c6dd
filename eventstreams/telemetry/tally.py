"""A histogram for per-event observations: updated on one thread without a lock, and exported like any other."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from typing_extensions import override


class Tally:
    """Counts observed values by bucket."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds``: upper bounds of the buckets, ascending and inclusive."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count ``value``. Call always on the same thread."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """The cumulative count for each bound, the last being ``+Inf``; and the sum of all values."""
        names = (*map(floatToGoString, self._bounds), "+Inf")
        return list(zip(names, map(float, accumulate(self._counts)), strict=True)), self._sum


class TallyHistogram(Collector):
    """One tally for each set of labels. The library's own histogram takes a lock twice, and five times as long."""

    # Named as in the library's own metrics: our documentation and checks of metrics read these attributes.
    _type: Final = "histogram"

    def __init__(
        self, name: str, text: str, labels: Sequence[str], *, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._labelnames = tuple(labels)
        self._bounds = bounds
        self._tallies: dict[tuple[str, ...], Tally] = {}
        registry.register(self)

    def labels(self, *values: str) -> Tally:
        """The tally with these labels; exported from now on, even if empty."""
        return self._tallies.setdefault(values, Tally(self._bounds))

    def describe(self) -> Iterable[Metric]:
        """Declare the name to the registry, so that no other metric can have it."""
        yield HistogramMetricFamily(self._name, self._text, labels=self._labelnames)

    @override
    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labelnames)
        for values, tally in list(self._tallies.items()):
            buckets, total = tally.told()
            family.add_metric(values, buckets, total)
        yield family
