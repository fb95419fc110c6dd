"""A histogram for what happens at every event: observed on one thread, without a lock; and told as any other is."""

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
    """How often what was observed was within each of some bounds."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds``: ascending, each inclusive."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count ``value``. Always on the same thread."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """The bounds with how many values were within each, ``+Inf`` the last; and the sum of all."""
        names = (*map(floatToGoString, self._bounds), "+Inf")
        return list(zip(names, map(float, accumulate(self._counts)), strict=True)), self._sum


class TallyHistogram(Collector):
    """Tallies by labels, under the name of one metric. The library's own takes a lock twice, and five times as long."""

    # By the names that the library has for its own: what documents and checks metrics asks for these.
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
        """The one with these labels; told from now on, be it of nothing."""
        return self._tallies.setdefault(values, Tally(self._bounds))

    def describe(self) -> Iterable[Metric]:
        """Its name, so that no other metric can have it."""
        yield HistogramMetricFamily(self._name, self._text, labels=self._labelnames)

    @override
    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labelnames)
        for values, tally in list(self._tallies.items()):
            buckets, total = tally.told()
            family.add_metric(values, buckets, total)
        yield family
