"""Lays out the flow diagram: a box for each product, subscription and sink, and a band for each edge between. Pure.

A column has a limited number of boxes: the busiest ones, and one that represents the rest.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from control_api.console.flow import Edge, Flow, Node

MOST: Final = 12
"""Boxes in one column: as many as fit on a screen."""
_REST: Final = "\0"  # the key of the rest: no SID and no product has it
WIDTH: Final = 960
BOX_WIDTH: Final = 240
BOX_HEIGHT: Final = 50
HEAD_HEIGHT: Final = 14
"""The height of a column's title above the boxes."""
_GAP: Final = 12
COLUMNS: Final = (0, (WIDTH - BOX_WIDTH) // 2, WIDTH - BOX_WIDTH)
_THIN, _WIDE = 1.5, 14.0  # widths of bands
_MUCH: Final = 1_000.0  # events a second of the widest band
_FAILING: Final = 0.01  # the share of failed attempts from which on it is shown as bad


@dataclass(frozen=True, slots=True)
class Box:
    """The position of a node; ``others``: how many nodes it represents, if it is the rest."""

    node: Node
    x: int
    y: int
    others: int = 0

    @property
    def state(self) -> str:
        return _state(self.node)


@dataclass(frozen=True, slots=True)
class Band:
    """The band of an edge, as an SVG path."""

    path: str
    width: float
    state: str


@dataclass(frozen=True, slots=True)
class Chart:
    boxes: Sequence[Box]
    bands: Sequence[Band]
    height: int


def chart_of(flow: Flow) -> Chart:
    """The layout of ``flow``."""
    products, subscriptions = (
        _column(nodes.values(), x) for nodes, x in zip((flow.products, flow.subscriptions), COLUMNS, strict=False)
    )
    columns = [products, subscriptions, _column(flow.sinks.values(), COLUMNS[2], _beside(flow, subscriptions))]
    bands = [
        *_bands(flow.to_subscriptions.values(), columns[0], columns[1]),
        *_bands(flow.to_sinks.values(), columns[1], columns[2]),
    ]
    boxes = [box for column in columns for box in column.values()]
    height = max((box.y + BOX_HEIGHT for box in boxes), default=0) + _GAP
    return Chart(boxes, bands, height)


def _beside(flow: Flow, subscriptions: Mapping[str, Box]) -> Mapping[str, float]:
    """For each sink, the average vertical position of its subscriptions: sorting by it, fewer bands cross."""
    found: dict[str, list[int]] = {}
    for edge in flow.to_sinks.values():
        if (box := subscriptions.get(edge.source)) is not None:
            found.setdefault(edge.target, []).append(box.y)
    return {key: sum(ys) / len(ys) for key, ys in found.items()}


def _column(nodes: Iterable[Node], x: int, places: Mapping[str, float] = MappingProxyType({})) -> Mapping[str, Box]:
    """The boxes of the busiest of ``nodes``, by key, sorted by ``places`` and then by name, so that they do not move.

    Those without a place come last.
    """
    listed = sorted(nodes, key=lambda node: node.busy, reverse=True)
    kept, rest = (listed, []) if len(listed) <= MOST else (listed[: MOST - 1], listed[MOST - 1 :])
    found = {}
    for place, node in enumerate(sorted(kept, key=lambda node: (places.get(node.key, math.inf), node.name, node.key))):
        found[node.key] = Box(node, x, _GAP + place * (BOX_HEIGHT + _GAP))
    if rest:
        found[_REST] = Box(_sum(rest), x, _GAP + len(kept) * (BOX_HEIGHT + _GAP), len(rest))
    return found


def _sum(nodes: Sequence[Node]) -> Node:
    return Node(
        _REST,
        f"{len(nodes)} more",
        accepted=sum(each.accepted for each in nodes),
        delivered=sum(each.delivered for each in nodes),
        failed=sum(each.failed for each in nodes),
        waiting=sum(each.waiting for each in nodes),
        oldest_waiting=min((each.oldest_waiting for each in nodes if each.oldest_waiting), default=""),
    )


def _bands(edges: Iterable[Edge], sources: Mapping[str, Box], targets: Mapping[str, Box]) -> Sequence[Band]:
    """A band for each pair of boxes; edges of deleted nodes, which have no box, are left out."""
    found: dict[tuple[str, str], Edge] = {}
    for edge in edges:
        source = edge.source if edge.source in sources else _REST
        target = edge.target if edge.target in targets else _REST
        if source in sources and target in targets:
            known = found.setdefault((source, target), Edge(source, target))
            known.delivered, known.failed = known.delivered + edge.delivered, known.failed + edge.failed
    return [_band(edge, sources[key[0]], targets[key[1]]) for key, edge in found.items()]


def _band(edge: Edge, source: Box, target: Box) -> Band:
    left, right = source.x + BOX_WIDTH, target.x
    middle = (left + right) // 2
    start, end = source.y + BOX_HEIGHT // 2, target.y + BOX_HEIGHT // 2
    path = f"M{left} {start}C{middle} {start} {middle} {end} {right} {end}"
    busy = min(math.log1p(edge.delivered + edge.failed) / math.log1p(_MUCH), 1.0)
    return Band(path, round(_THIN + busy * (_WIDE - _THIN), 1), _state(edge))


def _state(moved: Node | Edge) -> str:
    tried = moved.delivered + moved.failed
    if isinstance(moved, Node) and moved.accepted and not tried:
        return "good"
    if not tried:
        return "off"
    return "bad" if moved.failed / tried > _FAILING else "good"
