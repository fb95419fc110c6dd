"""Computes the flow between products, subscriptions and sinks from the API's answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from control_api.console.api import Json

_BAD = ("retry_later", "rejected", "died")


@dataclass(slots=True)
class Node:
    """A product, a subscription or a sink, with its rates in events a second.

    Attributes:
        key: The product's name or the SID.
        name: What it is called.
        href: Its page.
        accepted: For products only.
        delivered: Deliveries.
        failed: Failed attempts and dead letters.
        waiting: Events that wait.
        oldest_waiting: When the oldest of them was accepted; empty if none waits.
    """

    key: str
    name: str
    href: str = ""
    accepted: float = 0.0
    delivered: float = 0.0
    failed: float = 0.0
    waiting: int = 0
    oldest_waiting: str = ""

    @property
    def busy(self) -> tuple[float, int]:
        """The sort key: busier nodes are shown first."""
        return self.accepted + self.delivered + self.failed, self.waiting


@dataclass(slots=True)
class Edge:
    """The flow from one node to another, identified by their keys."""

    source: str
    target: str
    delivered: float = 0.0
    failed: float = 0.0


@dataclass(slots=True)
class Flow:
    """All nodes and edges, by key, with the total rates in events a second.

    Attributes:
        known_waiting: Whether the nodes' ``waiting`` and ``oldest_waiting`` are known, because Kafka could be asked.
        sampled: Whether there was too much to count: then the rates are of a shorter period.
        seconds: The period that the rates are of.
    """

    products: dict[str, Node] = field(default_factory=dict)
    subscriptions: dict[str, Node] = field(default_factory=dict)
    sinks: dict[str, Node] = field(default_factory=dict)
    to_subscriptions: dict[tuple[str, str], Edge] = field(default_factory=dict)
    to_sinks: dict[tuple[str, str], Edge] = field(default_factory=dict)
    accepted: float = 0.0
    delivered: float = 0.0
    failed: float = 0.0
    known_waiting: bool = True
    sampled: bool = False
    seconds: float = 0.0

    @property
    def waiting(self) -> int:
        return sum(each.waiting for each in self.subscriptions.values())

    @property
    def oldest_waiting(self) -> str:
        found = (each.oldest_waiting for each in self.subscriptions.values() if each.oldest_waiting)
        return min(found, default="")


def flow_of(counts: Json, backlog: Sequence[Json] | None, subscriptions: Sequence[Json], sinks: Sequence[Json]) -> Flow:
    """Compute the flow.

    Args:
        counts: The answer of ``/v1/Flow``.
        backlog: The subscriptions in the answer of ``/v1/Backlog``; None if it is not known.
        subscriptions: The account's subscriptions.
        sinks: The account's sinks.
    """
    asked_s = (_moment(counts["until"]) - _moment(counts["since"])).total_seconds()
    counted_s = min(counts["accepted_seconds"], counts["deliveries_seconds"])
    flow = Flow(known_waiting=backlog is not None, sampled=counted_s < asked_s, seconds=counted_s)
    for each in subscriptions:
        flow.subscriptions[each["sid"]] = Node(
            each["sid"], each["description"], f"/console/subscriptions/{each['sid']}"
        )
        flow.to_sinks[each["sid"], each["sink_sid"]] = Edge(each["sid"], each["sink_sid"])
    for each in sinks:
        flow.sinks[each["sid"]] = Node(each["sid"], each["description"], f"/console/sinks/{each['sid']}")
    for each in backlog or ():
        if (known := flow.subscriptions.get(each["subscription_sid"])) is not None:
            known.waiting, known.oldest_waiting = each["waiting"], each["oldest_waiting"] or ""
    for each in counts["accepted"]:
        rate = each["events"] / counts["accepted_seconds"]
        _product(flow, each).accepted += rate
        flow.accepted += rate
    for each in counts["deliveries"]:
        _add(flow, each, counts["deliveries_seconds"])
    return flow


def _add(flow: Flow, counts: Json, seconds: float) -> None:
    """Add what went to one sink for one subscription, of one event type."""
    delivered, failed = counts["delivered"] / seconds, sum(counts[name] for name in _BAD) / seconds
    sid, sink_sid = counts["subscription_sid"] or "", counts["sink_sid"] or ""
    product = _product(flow, counts).key
    moved: list[Flow | Node | Edge] = [
        flow,
        *(each for each in (flow.subscriptions.get(sid), flow.sinks.get(sink_sid)) if each is not None),
        flow.to_subscriptions.setdefault((product, sid), Edge(product, sid)),
        flow.to_sinks.setdefault((sid, sink_sid), Edge(sid, sink_sid)),
    ]
    for each in moved:
        each.delivered, each.failed = each.delivered + delivered, each.failed + failed


def _product(flow: Flow, counts: Mapping[str, str | None]) -> Node:
    name = counts["product"] or "other"
    return flow.products.setdefault(name, Node(name, name, "/console/catalogue"))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
