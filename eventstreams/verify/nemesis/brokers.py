"""Plans one or three brokers as a cluster, with a listener for each client and for the other brokers, to be proxied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventstreams.local.broker import LocalBroker, new_cluster
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import LOOPBACK, free_ports

BROKERS: Final = "brokers"  # the caller name of brokers that replicate from a broker
CONTROLLERS: Final = "controllers"  # the caller name of those that call its controller: other controllers, all brokers
_MOST_COPIES: Final = 3
_LISTENERS: Final = """
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}{inner}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_outer}{outer}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{plain}
inter.broker.listener.name={between}
num.network.threads=1
default.replication.factor={copies}
min.insync.replicas={enough}
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={enough}
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
replica.lag.time.max.ms=5000
"""


@dataclass(frozen=True, slots=True)
class SiteBroker:
    """A broker, and the port on which it really listens for each caller; what it advertises is a proxy's port."""

    name: str
    broker: LocalBroker
    inner: Mapping[str, int]


def plan_brokers(
    folder: Path, count: int, outer: Sequence[Mapping[str, int]], *, cache: Path | None
) -> Sequence[SiteBroker]:
    """Prepare ``count`` brokers as one cluster, with formatted storage, ready to be started.

    Args:
        folder: Folder for the data of all of them.
        count: 1, or 3 for a cluster that can lose one.
        outer: For each broker, the ports that it advertises, by caller: each client, and also ``BROKERS`` and
            ``CONTROLLERS`` if connections between brokers should be proxied too.
        cache: Where Kafka's jars are kept.

    Raises:
        PrerequisiteError: there is no Java, or Kafka cannot be downloaded.
    """
    ports = free_ports(2 * count)
    pairs = list(zip(ports[::2], ports[1::2], strict=True))
    controllers = [known.get(CONTROLLERS, port) for known, (_, port) in zip(outer, pairs, strict=True)]
    voters = ",".join(f"{node}@{LOOPBACK}:{port}" for node, port in enumerate(controllers, start=1))
    copies = min(count, _MOST_COPIES)
    cluster = new_cluster()
    found = []
    for node, ((port, controller_port), known) in enumerate(zip(pairs, outer, strict=True), start=1):
        advertised = {caller: port for caller, port in known.items() if caller != CONTROLLERS}
        inner = dict(zip(advertised, free_ports(len(advertised)), strict=True))
        properties = _LISTENERS.format(
            node=node,
            voters=voters,
            host=LOOPBACK,
            port=port,
            controller_port=controller_port,
            controller_outer=controllers[node - 1],
            inner=_listeners(inner),
            outer=_listeners(advertised),
            plain="".join(f",{_listener(caller)}:PLAINTEXT" for caller in advertised),
            between=_listener(BROKERS) if BROKERS in advertised else "PLAINTEXT",
            copies=copies,
            enough=max(copies - 1, 1),
        )
        name = f"kafka-{node}"
        broker = make_broker(
            folder / name,
            port=port,
            controller_port=controller_port,
            cache=cache,
            properties=properties,
            cluster=cluster,
        )
        found.append(SiteBroker(name, broker, {**inner, CONTROLLERS: controller_port}))
    return found


def _listeners(ports: Mapping[str, int]) -> str:
    return "".join(f",{_listener(caller)}://{LOOPBACK}:{port}" for caller, port in ports.items())


def _listener(caller: str) -> str:
    return caller.replace("-", "_").upper()
