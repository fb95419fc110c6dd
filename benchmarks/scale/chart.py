"""Draws the charts of the curves."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.scale.fit import KIB, ROLES
from benchmarks.scale.points import Point
from eventstreams.verify.plots import new_chart, svg_of

_NAMES: Final = {"router": "router", "worker": "worker", "api": "delivery log (API)", "kafka": "Kafka"}


def drawn(points: Sequence[Point]) -> Mapping[str, str]:
    """Return each chart as SVG, by file name."""
    rate = new_chart("events a second", "cores", dots=True)
    size = new_chart("KiB of an event", "µs of CPU for a delivery", dots=True)
    for role in ROLES:
        rate.add(_NAMES[role], [(each.x, each.x * each.us[role] / 1e6) for each in points if each.curve == "rate"])
        size.add(_NAMES[role], [(each.x / KIB, each.us[role]) for each in points if each.curve == "bytes"])
    return {"scale-rate.svg": svg_of(rate), "scale-size.svg": svg_of(size)}
