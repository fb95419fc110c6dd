"""Calculates the size of an installation from its load. Pure; docs/sizing.md explains the model and its limits."""

import math
from dataclasses import dataclass
from typing import Final

from eventstreams.sizing import measured

UTILISATION: Final = 0.5
"""Average share of the capacity that is used, so that a process may die, or peaks be twice the average, without a
backlog."""
SPARE: Final = 2  # least processes of each role: one may die or be updated while the other goes on
_EVENT_DAYS: Final = 7  # the topics' retention; see ``eventstreams.topics``
_WAITING_DAYS: Final = 1.0 + 4 / 24
_ATTEMPT_DAYS: Final = 7
_DAY_S: Final = 86_400
_SHARED_PARTITIONS: Final = 9  # es.attempts and five more
_TYPE_PARTITIONS: Final = 62
_EVENTS_PARTITIONS: Final = 12
_MOST_PARTITIONS: Final = 16  # per subscription
_GIB: Final = 1 << 30
_MICRO: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load of an installation.

    Attributes:
        events_per_s: Events per second, on average over the busiest hours.
        subscriptions: Subscriptions of all accounts.
        fan_out: Subscriptions that an event matches, on average.
        receiver_ms: Response time of receivers, in milliseconds.
        event_bytes: Size of an event as Avro.
        batch: Events per webhook request; 1 for sinks without batches.
        sink_types: Sink types, each with workers of its own.
        replicas: Replicas of each topic.
    """

    events_per_s: float
    subscriptions: int
    fan_out: float = 1.0
    receiver_ms: float = 200.0
    event_bytes: int = 500
    batch: int = 1
    sink_types: int = 1
    replicas: int = 3


@dataclass(frozen=True, slots=True)
class Need:
    """What one role needs: processes, with a core and ``mib`` of memory each. ``because``: the figures behind it."""

    role: str
    processes: int
    mib: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What an installation needs.

    Attributes:
        needs: What each role needs.
        partitions: Partitions of all topics, without replicas.
        subscription_partitions: Partitions of each subscription, so that they can carry its share of the load.
        events_partitions: Partitions of the events topic, which routers share.
        disk_gib: Disk space of all brokers together, uncompressed, including replicas.
        write_mib_s: What all brokers together write, including replicas.
        warnings: What the figures do not cover.
    """

    needs: tuple[Need, ...]
    partitions: int
    subscription_partitions: int
    events_partitions: int
    disk_gib: int
    write_mib_s: float
    warnings: tuple[str, ...]


def size(load: Load) -> Size:
    """What ``load`` needs."""
    router, router_cores = _router(load)
    events_partitions = max(_EVENTS_PARTITIONS, router.processes)
    each, worker = _workers(load)
    partitions = (
        events_partitions
        + _SHARED_PARTITIONS
        + _TYPE_PARTITIONS * load.sink_types
        + load.subscriptions * min(each, _MOST_PARTITIONS)
    )
    disk_gib, write_mib_s = _disk(load)
    needs = (_brokers(load, partitions, write_mib_s), _gateway(load), router, worker, _api(load))
    return Size(
        needs=needs,
        partitions=partitions,
        subscription_partitions=min(each, _MOST_PARTITIONS),
        events_partitions=events_partitions,
        disk_gib=disk_gib,
        write_mib_s=write_mib_s,
        warnings=tuple(_warnings(load, each, router_cores)),
    )


def router_us(load: Load) -> float:
    """Microseconds of a router's CPU for one event, with all its copies."""
    copies = measured.ROUTER_FIRST_COPY_US + measured.ROUTER_NEXT_COPY_US * max(load.fan_out - 1, 0)
    return copies + _larger(load, "router") * max(load.fan_out, 1)


def worker_us(load: Load) -> float:
    """Microseconds of a worker's CPU for one delivery, with ``batch`` of them in a request."""
    return measured.WORKER_EVENT_US + measured.WORKER_REQUEST_US / load.batch + _larger(load, "worker")


def _larger(load: Load, role: str) -> float:
    """Microseconds of the CPU of ``role`` for the bytes by which an event exceeds those that were measured."""
    return measured.KIB_US[role] * max(load.event_bytes - measured.EVENT_BYTES, 0) / 1024


def _brokers(load: Load, partitions: int, write_mib_s: float) -> Need:
    deliveries = load.events_per_s * load.fan_out
    us = (measured.KAFKA_DELIVERY_US + _larger(load, "kafka")) * deliveries
    cores = us * _MICRO * load.replicas  # assumes that a replica costs as much as the first copy; in fact it is less
    for_cpu = math.ceil(cores / UTILISATION / measured.BROKER_CORES)
    for_partitions = math.ceil(partitions * load.replicas / measured.BROKER_PARTITIONS)
    because = (
        f"{partitions:,} partitions of {load.replicas} copies, {measured.BROKER_PARTITIONS:,} on a broker; "
        f"{cores:.2f} cores, {UTILISATION:.0%} of {measured.BROKER_CORES} each; "
        f"{write_mib_s:,.1f} MiB/s written together"
    )
    return Need("brokers", max(load.replicas, for_cpu, for_partitions), 0, because)


def _api(load: Load) -> Need:
    base, each = measured.API_MIB
    because = f"one writes and the others forward to it; the delivery log takes {_log_cores(load):.2f} cores of each"
    return Need("api", SPARE, math.ceil(base + each * load.subscriptions), because)


def _log_cores(load: Load) -> float:
    return load.events_per_s * load.fan_out * measured.LOG_US * _MICRO


def _processes(cores: float) -> int:
    return max(SPARE, math.ceil(cores / UTILISATION))


def _router(load: Load) -> tuple[Need, float]:
    us = router_us(load)
    cores = load.events_per_s * us * _MICRO
    base, each = measured.ROUTER_MIB
    because = f"{us:.1f} µs of CPU per event: {cores:.2f} cores, {UTILISATION:.0%} busy"
    return Need("routers", _processes(cores), math.ceil(base + each * load.subscriptions), because), cores


def _workers(load: Load) -> tuple[int, Need]:
    """The partitions that each subscription needs, not yet bounded, and the workers."""
    deliveries = load.events_per_s * load.fan_out
    us = worker_us(load)
    cores = deliveries * us * _MICRO
    at_once = deliveries / load.batch / load.subscriptions * load.receiver_ms / 1000
    each = max(1, math.ceil(at_once / (measured.SINK_REQUESTS * UTILISATION)))
    processes = max(_processes(cores), SPARE * load.sink_types, min(each, _MOST_PARTITIONS))
    base, of_partition = measured.WORKER_MIB
    # Half as many again, because the share of one that dies goes to the others.
    owned = load.subscriptions * min(each, _MOST_PARTITIONS) / processes * 1.5
    because = (
        f"{us:.0f} µs of CPU per delivery, {deliveries:,.0f} per second: {cores:.2f} cores, {UTILISATION:.0%} "
        f"busy; {at_once:.1f} concurrent requests to each sink, of at most {measured.SINK_REQUESTS}"
    )
    return each, Need("workers", processes, math.ceil(base + of_partition * owned), because)


def _gateway(load: Load) -> Need:
    processes = max(SPARE, math.ceil(load.events_per_s / UTILISATION / measured.GATEWAY_REQUESTS_PER_S))
    because = (
        f"{measured.GATEWAY_REQUESTS_PER_S:,} requests/s of one event each; none are needed where producers "
        "use the library"
    )
    return Need("gateways", processes, measured.GATEWAY_MIB, because)


def _disk(load: Load) -> tuple[int, float]:
    """GiB stored, and MiB written per second."""
    deliveries = load.events_per_s * load.fan_out
    flows = (
        (load.events_per_s * (load.event_bytes + measured.EVENT_HEADER_BYTES), _EVENT_DAYS),
        (deliveries * (load.event_bytes + measured.COPY_HEADER_BYTES), _WAITING_DAYS),
        (deliveries * measured.ATTEMPT_BYTES, _ATTEMPT_DAYS),
    )
    held = sum(rate * days * _DAY_S for rate, days in flows) * load.replicas
    return math.ceil(held / _GIB), sum(rate for rate, _ in flows) * load.replicas / (1 << 20)


def _warnings(load: Load, each: int, router_cores: float) -> list[str]:
    found = []
    if each > _MOST_PARTITIONS:
        found.append(
            f"a subscription would need {each} partitions, but at most {_MOST_PARTITIONS} are possible: receivers "
            "must be faster, or take batches"
        )
    if load.fan_out > load.subscriptions:
        found.append("an event cannot match more subscriptions than there are")
    if (many := load.subscriptions * min(each, _MOST_PARTITIONS)) > measured.BROKER_PARTITIONS:
        count = math.ceil(many / measured.BROKER_PARTITIONS)
        found.append(
            f"more than {measured.BROKER_PARTITIONS:,} subscription partitions in one installation have not been "
            f"measured: divide the accounts among {count:,} installations, each with "
            f"{load.events_per_s / count:,.0f} events/s and {math.ceil(load.subscriptions / count):,} "
            "subscriptions; or raise EVENTSTREAMS_MOST_PARTITIONS, and give brokers a larger heap"
        )
    if (log := _log_cores(load)) > UTILISATION:
        found.append(
            f"the delivery log would need {log:.1f} cores of each API process, but can use one: beyond "
            f"{1 / measured.LOG_US / _MICRO:,.0f} deliveries/s it falls behind, and the API reports the state of "
            "events late"
        )
    if router_cores > 4:  # noqa: PLR2004 - eight routers
        found.append("more than eight routers have not been measured")
    return found
