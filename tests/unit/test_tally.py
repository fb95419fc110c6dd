"""A tally tells what the metrics library's own histogram would."""

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from eventstreams.telemetry.tally import TallyHistogram

_BOUNDS = (0.001, 0.5, 1, 30, 14_400)
_VALUES = st.lists(st.floats(0, 1e6) | st.sampled_from(_BOUNDS))


@given(first=_VALUES, second=_VALUES)
def test_it_tells_what_the_librarys_own_would(first: list[float], second: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tallies = TallyHistogram("a_seconds", "How long.", ["kind"], bounds=_BOUNDS, registry=ours)
    histogram = Histogram("a_seconds", "How long.", ["kind"], buckets=_BOUNDS, registry=theirs)

    for kind, values in {"first": first, "second": second}.items():
        for value in values:
            tallies.labels(kind).observe(value)
            histogram.labels(kind).observe(value)
        tallies.labels(kind)
        histogram.labels(kind)

    assert _shown(ours) == _shown(theirs)


def test_a_value_is_counted_within_the_bound_that_it_is() -> None:
    registry = CollectorRegistry()
    tally = TallyHistogram("a_seconds", "How long.", ["kind"], bounds=_BOUNDS, registry=registry).labels("one")

    tally.observe(1)

    assert registry.get_sample_value("a_seconds_bucket", {"kind": "one", "le": "1.0"}) == 1
    assert registry.get_sample_value("a_seconds_bucket", {"kind": "one", "le": "0.5"}) == 0
    assert math.isclose(registry.get_sample_value("a_seconds_sum", {"kind": "one"}) or 0, 1)


def _shown(registry: CollectorRegistry) -> list[str]:
    """All lines but when each was made, which only the library's own tells."""
    return [line for line in generate_latest(registry).decode().splitlines() if "a_seconds_created" not in line]
