"""Lists all faults that can be inflicted on a site."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from signal import SIGKILL, SIGTERM
from typing import Final, ParamSpec

from eventstreams.verify.nemesis.brokers import BROKERS, CONTROLLERS
from eventstreams.verify.nemesis.control import SlowControl
from eventstreams.verify.nemesis.copies import Gone, Storm
from eventstreams.verify.nemesis.disk import IS_POSSIBLE, DiskFull
from eventstreams.verify.nemesis.fault import Fault, Offer, between, offer
from eventstreams.verify.nemesis.host import ClockStep, Hosts, NoNames
from eventstreams.verify.nemesis.network import Cut, Narrow, Refused, Resets, Slow
from eventstreams.verify.nemesis.processes import Ended, Frozen, Starved
from eventstreams.verify.nemesis.proxy import Link
from eventstreams.verify.nemesis.site import Site

NAMES: Final = (
    *("kill", "terminate", "freeze", "starve", "storm", "lose", "disk-full"),
    *("cut", "slow", "narrow", "refuse", "reset", "slow-control"),
    *("clock", "no-names"),
)
"""The names of all faults, including those that not every site offers."""
_MOMENT_S: Final = (1.0, 5.0)
_SHORT_S: Final = (3.0, 10.0)
_PAST_SESSIONS_S: Final = (12.0, 20.0)  # sessions expire after 8 s for routers, 10 s for workers
_STORM_S: Final = (15.0, 30.0)
_SHARE: Final = (0.05, 0.4)
_DELAY_S: Final = (0.02, 0.4)
_WIDTH: Final = (256 << 10, 4 << 20)  # bytes per second
_STEP_S: Final = 120.0
_STORMY: Final = ("router", "worker-webhook")
_CLUSTER: Final = 3

_P = ParamSpec("_P")


def offers(site: Site, *, hosts: Hosts | None) -> Sequence[Offer]:
    """Every fault that is possible on ``site``, with the links that it has now.

    Args:
        site: The site to attack.
        hosts: Controls the clocks and resolvers of its programs; None: they are left alone.
    """
    return [*_processes(site), *_brokers(site), *_network(site), *(() if hosts is None else _hosts(site, hosts))]


def _processes(site: Site) -> Iterator[Offer]:
    roles = [copy.name for copy in site.copies]
    for name in roles:
        claims = {_process(name)}
        yield offer("kill", name, _each(Ended, site, [name], SIGKILL), claims=claims, lasts_s=_MOMENT_S)
        yield offer("terminate", name, _each(Ended, site, [name], SIGTERM), claims=claims, lasts_s=_MOMENT_S)
        yield offer("freeze", name, _each(Frozen, site, name), claims=claims, lasts_s=_PAST_SESSIONS_S)
        yield offer("starve", name, partial(_starved, site, name), claims=claims, lasts_s=_SHORT_S)
    everything = [*roles, *(each.name for each in site.brokers)]
    claims = {_process(name) for name in everything}
    yield offer("kill", "all", _each(Ended, site, everything, SIGKILL), claims=claims, lasts_s=_MOMENT_S)
    yield offer("terminate", "all", _each(Ended, site, everything, SIGTERM), claims=claims, lasts_s=_MOMENT_S)
    for role in _STORMY:
        copies = [copy.name for copy in site.copies if copy.role == role]
        claims = {_process(name) for name in copies}
        make = partial(_storm, site, role, len(copies))
        yield offer("storm", role, make, claims=claims, lasts_s=_STORM_S)


def _brokers(site: Site) -> Iterator[Offer]:
    names = [each.name for each in site.brokers]
    every = {_process(name) for name in names}  # one broker of a cluster at a time, except where stated otherwise
    for name in names:
        yield offer("kill", name, _each(Ended, site, [name], SIGKILL), claims=every, lasts_s=_MOMENT_S)
        yield offer("terminate", name, _each(Ended, site, [name], SIGTERM), claims=every, lasts_s=_MOMENT_S)
        yield offer("freeze", name, _each(Frozen, site, name), claims=every, lasts_s=_PAST_SESSIONS_S)
        yield offer("starve", name, partial(_starved, site, name), claims=every, lasts_s=_SHORT_S)
        if IS_POSSIBLE:
            yield offer("disk-full", name, _each(DiskFull, site, name), claims=every, lasts_s=_SHORT_S)
    if len(names) == _CLUSTER:
        for at, name in enumerate(names):
            pair = [name, names[(at + 1) % _CLUSTER]]
            yield offer("lose", name, _each(Gone, site, [name]), claims=every, lasts_s=_PAST_SESSIONS_S)
            yield offer("lose", "+".join(pair), _each(Gone, site, pair), claims=every, lasts_s=_SHORT_S)


def _network(site: Site) -> Iterator[Offer]:
    brokers = {_process(each.name) for each in site.brokers}
    for target, links in _ways(site).items():
        claims = {f"link {link.name}" for link in links}
        if target.startswith(f"{BROKERS}~"):
            claims |= brokers  # only one fault of the cluster at a time
        yield offer("cut", target, _each(Cut, links), claims=claims, lasts_s=_PAST_SESSIONS_S)
        yield offer("slow", target, partial(_slow, links), claims=claims, lasts_s=_SHORT_S)
        yield offer("narrow", target, partial(_narrow, links), claims=claims, lasts_s=_SHORT_S)
        yield offer("refuse", target, _each(Refused, links), claims=claims, lasts_s=_SHORT_S)
        yield offer("reset", target, _each(Resets, links), claims=claims, lasts_s=_SHORT_S)
    to_kafka = [site.links[f"{copy.name}~{each.name}"] for each in site.brokers for copy in site.copies]
    if len(site.brokers) > 1:
        for link in to_kafka:  # the client still reaches the others
            claims = {f"link {link.name}"}
            yield offer("cut", link.name, _each(Cut, [link]), claims=claims, lasts_s=_PAST_SESSIONS_S)
    claims = {f"link {link.name}" for each in site.brokers for link in site.links_to(each.name)}
    yield offer("slow-control", "es.control", partial(_slow_control, site), claims=claims, lasts_s=_SHORT_S)


def _ways(site: Site) -> dict[str, Sequence[Link]]:
    """Groups of links: from each copy to all of Kafka, from the other brokers to each broker, and all other links."""
    to_kafka = {
        f"{copy.name}~kafka": [site.links[f"{copy.name}~{each.name}"] for each in site.brokers] for copy in site.copies
    }
    between = {
        f"{BROKERS}~{each.name}": [site.links[f"{caller}~{each.name}"] for caller in (BROKERS, CONTROLLERS)]
        for each in site.brokers
        if len(site.brokers) > 1
    }
    known = {link.name for links in (*to_kafka.values(), *between.values()) for link in links}
    others = {name: [link] for name, link in site.links.items() if name not in known}
    return {**to_kafka, **between, **others}


def _hosts(site: Site, hosts: Hosts) -> Iterator[Offer]:
    roles = [copy.name for copy in site.copies]
    for name in [*roles, *(each.name for each in site.brokers)]:
        claims = {f"host {name}"}
        yield offer("clock", name, partial(_clock, hosts, name), claims=claims, lasts_s=_SHORT_S)
    for name in roles:
        yield offer("no-names", name, _each(NoNames, hosts.of(name)), claims={f"host {name}"}, lasts_s=_SHORT_S)


def _process(name: str) -> str:
    return f"process {name}"


def _each(make: Callable[_P, Fault], *arguments: _P.args, **named: _P.kwargs) -> Callable[[float], Fault]:
    """Makes a new fault each time, ignoring the strength."""

    def made(_: float) -> Fault:
        return make(*arguments, **named)

    return made


def _starved(site: Site, name: str, strength: float) -> Fault:
    return Starved(site, name, between(*_SHARE, 1 - strength))


def _storm(site: Site, role: str, present: int, strength: float) -> Fault:
    return Storm(site, role, present, between(*_STORM_S, strength))


def _slow(links: Sequence[Link], strength: float) -> Fault:
    return Slow(links, between(*_DELAY_S, strength))


def _slow_control(site: Site, strength: float) -> Fault:
    return SlowControl(site, between(*_DELAY_S, strength))


def _narrow(links: Sequence[Link], strength: float) -> Fault:
    return Narrow(links, between(*_WIDTH, 1 - strength))


def _clock(hosts: Hosts, name: str, strength: float) -> Fault:
    return ClockStep(hosts.of(name), between(-_STEP_S, _STEP_S, strength))
