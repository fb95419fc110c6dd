"""Carries out ``eventstreams verify``."""

import asyncio
import itertools
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import click

from eventstreams.cli.profiles import chosen_profile
from eventstreams.cli.terminal import harmless_json, harmless_lines
from eventstreams.errors import PrerequisiteError, SettingsError
from eventstreams.local.ports import LOOPBACK
from eventstreams.process.listen import address_towards
from eventstreams.settings import PREFIX, Settings
from eventstreams.verify.behaviours import BEHAVIOURS
from eventstreams.verify.broker_watch import watching_brokers
from eventstreams.verify.cluster import running_cluster
from eventstreams.verify.display import Display
from eventstreams.verify.environment import Options
from eventstreams.verify.faults import Nemesis
from eventstreams.verify.nemesis.attack import Attack, attacked_site
from eventstreams.verify.page import page_of
from eventstreams.verify.publishing import Login
from eventstreams.verify.report import text_of, value_of
from eventstreams.verify.rollout.fleet import running_fleet
from eventstreams.verify.rollout.nemesis import Rollout
from eventstreams.verify.run import Report
from eventstreams.verify.run import verify as run_verify
from eventstreams.verify.subscribing import Installation, Say

_ALL: Final = "0.0.0.0:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The options of the command line."""

    up: bool
    api: str | None
    gateway: str
    kafka: str | None
    events: int
    rate: float
    subscriptions: int
    receivers: Sequence[str] | None
    seed: int | None
    settle_s: float
    duplicates: float
    listen: str | None
    receiver_url: str | None
    report: Path | None
    data_dir: Path | None
    faults: Sequence[str]
    brokers: int
    pause_s: float
    rolling: bool
    calls: float
    soak: bool
    output: str


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is verified, and how its workers reach this machine."""

    installation: Installation
    kafka: Settings | None
    listen: str
    host: str
    receiver_url: str | None = None
    nemesis: Nemesis | None = None
    data: Path | None = None


def run_command(arguments: Arguments) -> int:
    """Run it and return the exit code: 0 if everything holds, 1 if not.

    Raises:
        EventStreamsError: the run could not be carried out.
    """
    in_json = arguments.output == "json"

    def say(what: str, sentence: str) -> None:
        click.echo(f"{what:<12} {harmless_lines(sentence)}", err=in_json)

    if arguments.report is not None:
        _check_writable(arguments.report)  # not known in an hour alone
    report = asyncio.run(_carry_out(arguments, say))
    click.echo(harmless_json(value_of(report), indent=True) if in_json else harmless_lines(text_of(report)))
    if arguments.report is not None:
        _write(arguments.report, page_of(report))
        say("report", str(arguments.report))
    return 0 if report.verdict.holds else 1


async def _carry_out(arguments: Arguments, say: Say) -> Report:
    seed = secrets.randbelow(1 << 31) if arguments.seed is None else arguments.seed
    async with watching_brokers(say), _ground(arguments, seed, say) as ground:
        options = Options(
            events=arguments.events,
            rate=arguments.rate,
            receivers=_receivers(arguments),
            seed=seed,
            settle_s=arguments.settle_s,
            most_duplicates=arguments.duplicates / 100,
            calls=arguments.calls,
            listen=ground.listen,
            receiver_host=ground.host,
            receiver_url=ground.receiver_url or arguments.receiver_url,
            is_alone=arguments.up,
            data=ground.data,
            is_soak=arguments.soak,
        )
        with Display(total=arguments.events) as display:
            return await run_verify(
                ground.installation,
                options,
                kafka=ground.kafka,
                nemesis=ground.nemesis,
                say=say,
                follow=display.show,
            )


@asynccontextmanager
async def _ground(arguments: Arguments, seed: int, say: Say) -> AsyncIterator[_Ground]:
    if not arguments.up:
        installation = _installation(arguments)
        kafka = None if arguments.kafka is None else Settings.load(kafka=arguments.kafka)
        host = address_towards(installation.api)
        yield _Ground(installation, kafka, arguments.listen or _ALL, host)
        return
    folder = arguments.data_dir or Path(tempfile.mkdtemp(prefix="eventstreams-verify-up-"))
    try:
        async with _cluster(arguments, seed, folder, say) as ground:
            say("up", f"a cluster that keeps its data in {folder}")
            yield replace(ground, data=folder)
    finally:
        if arguments.data_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _cluster(arguments: Arguments, seed: int, folder: Path, say: Say) -> AsyncIterator[_Ground]:
    if arguments.rolling:
        async with running_fleet(folder, say=partial(say, "died")) as fleet:
            yield _Ground(
                Installation(
                    api=fleet.urls["api"], gateway=fleet.urls["gateway"], operator_token=fleet.state.operator_token
                ),
                Settings.load(kafka=fleet.kafka),
                arguments.listen or f"{LOOPBACK}:0",
                LOOPBACK,
                nemesis=Rollout(fleet, partial(say, "replaced")),
            )
        return
    if not arguments.faults:
        async with running_cluster(folder) as local:
            yield _Ground(local.installation, local.kafka, arguments.listen or f"{LOOPBACK}:0", LOOPBACK)
        return
    attack = Attack(
        brokers=arguments.brokers,
        faults=arguments.faults,
        seed=seed,
        lasts_s=arguments.events / arguments.rate,
        pause_s=(arguments.pause_s / 5, arguments.pause_s),
    )
    async with attacked_site(folder, attack, say=partial(say, "faults")) as attacked:
        site = attacked.site
        installation = Installation(api=site.api, gateway=site.gateway, operator_token=site.state.operator_token)
        yield _Ground(
            installation,
            Settings.load(kafka=site.kafka),
            attacked.listen,
            LOOPBACK,
            attacked.receiver_url,
            attacked.nemesis,
        )


def _installation(arguments: Arguments) -> Installation:
    profile = chosen_profile(Settings.load())
    api, gateway = (arguments.api or profile.url).rstrip("/"), arguments.gateway.rstrip("/")
    if profile.operator_token is not None:
        return Installation(api=api, gateway=gateway, operator_token=profile.operator_token.get_secret_value())
    if profile.account_sid is None or profile.auth_token is None:
        raise SettingsError(
            f"set {PREFIX}OPERATOR_TOKEN, or {PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN to an account that has no "
            "other message events, or select a profile that has them; signatures cannot be checked with an API "
            "key's secret"
        )
    return Installation(
        api=api, gateway=gateway, login=Login(profile.account_sid, profile.auth_token.get_secret_value())
    )


def _receivers(arguments: Arguments) -> Sequence[str]:
    if arguments.receivers is not None:
        return arguments.receivers
    return list(itertools.islice(itertools.cycle(BEHAVIOURS), arguments.subscriptions))


def _check_writable(file: Path) -> None:
    """Raises ``PrerequisiteError`` where ``_write`` would; leaves what is there as it is."""
    is_new = not file.exists()
    try:
        with file.open("ab"):
            pass
        if is_new:
            file.unlink()
    except OSError as error:
        raise _unwritable(file, error) from error


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> PrerequisiteError:
    return PrerequisiteError(f"--report {file} cannot be written: {error.strerror}")
