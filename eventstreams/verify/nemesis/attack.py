"""Sets up a site together with the nemesis that attacks it while ``verify`` runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from eventstreams.errors import SettingsError
from eventstreams.local.ports import LOOPBACK, free_ports
from eventstreams.verify.nemesis.catalogue import NAMES, offers
from eventstreams.verify.nemesis.fault import Offer
from eventstreams.verify.nemesis.host import Hosts, compiler
from eventstreams.verify.nemesis.plan import draw_plan
from eventstreams.verify.nemesis.run import PlannedNemesis
from eventstreams.verify.nemesis.site import Layout, Site, running_site

ALL: Final = "all"
_NAME: Final = "localhost"
# Retry delays of minutes would make runs as long; short ones use retry topics in the same way.
_ENVIRON: Final = {"RETRY_DELAYS": "500ms,2s,5s", "RETRY_PARTITIONS": "4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What to attack, and how.

    Attributes:
        brokers: Number of brokers, 1 or 3.
        faults: Names of faults, or ``ALL``.
        seed: Seed of the plan.
        lasts_s: How many seconds to attack.
        pause_s: The shortest and the longest time between two faults; see ``draw_plan``.
    """

    brokers: int
    faults: Sequence[str]
    seed: int
    lasts_s: float
    pause_s: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """The site, and the nemesis that is about to attack it.

    Attributes:
        listen: Address on which webhook receivers must listen.
        receiver_url: Where workers should call them, so that deliveries go over a link that the nemesis controls.
    """

    site: Site
    nemesis: PlannedNemesis
    listen: str
    receiver_url: str


@asynccontextmanager
async def attacked_site(folder: Path, attack: Attack, *, say: Callable[[str], None]) -> AsyncIterator[Attacked]:
    """Run a site while inside; yields it with its nemesis, which has not begun yet.

    Args:
        folder: Folder for the site's data.
        attack: What to do.
        say: Called with the plan, with what is impossible here, and later with each fault.

    Raises:
        PrerequisiteError: the site does not start.
        SettingsError: a fault does not exist, or cannot be inflicted on this site.
    """
    _check(attack.faults)
    await asyncio.to_thread(partial(folder.mkdir, parents=True, exist_ok=True))
    hosts = await asyncio.to_thread(Hosts.compile, folder) if compiler() is not None else None
    if hosts is None:
        say("clock and name-resolution faults are skipped: they need Linux and a C compiler (cc)")
    layout = Layout(
        brokers=attack.brokers,
        environ=_ENVIRON,
        preload=(lambda _: {}) if hosts is None else hosts.environ,
    )
    async with running_site(folder, layout, say=say) as site:
        [port] = free_ports(1)
        front = await site.front("worker", "receiver", port)
        made = _chosen(offers(site, hosts=hosts), attack.faults)
        plan = draw_plan([each.kind for each in made], seed=attack.seed, bound_s=attack.lasts_s, pause_s=attack.pause_s)
        say(f"{len(plan)} planned, out of {len(made)} possible ones, with seed {attack.seed}")
        for step in plan:
            say(f"{step.begins_s:7.1f} s to {step.ends_s:7.1f} s: {step.kind.name} {step.kind.target}")
        yield Attacked(
            site=site,
            nemesis=PlannedNemesis(plan, made, restored=site.until_ready, say=say),
            listen=f"{LOOPBACK}:{port}",
            receiver_url=f"http://{await _receivers_name(say)}:{front}",
        )


async def _receivers_name(say: Callable[[str], None]) -> str:
    """The receivers' host: a name, so that workers must resolve it, if it means only addresses that they may reach.

    Otherwise the address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(_NAME, None)
    if {address[0] for *_, address in found} == {LOOPBACK}:
        return _NAME
    say(f"{_NAME} resolves to more than {LOOPBACK} here: receivers are called by address, without name resolution")
    return LOOPBACK


def _check(names: Sequence[str]) -> None:
    if strange := [name for name in names if name not in {ALL, *NAMES}]:
        raise SettingsError(f"there is no fault {strange[0]!r}: the faults are {', '.join([ALL, *NAMES])}")


def _chosen(made: Sequence[Offer], names: Sequence[str]) -> Sequence[Offer]:
    chosen = [each for each in made if ALL in names or each.kind.name in names]
    there = {each.kind.name for each in chosen}
    if lacking := [name for name in names if name not in {ALL, *there}]:
        raise SettingsError(
            f"the fault {lacking[0]!r} cannot be injected into this cluster: docs/faults.md says what it needs"
        )
    return chosen
