"""``eventstreams verify``."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from eventstreams.cli.parsed import Parsed
from eventstreams.cli.terminal import examples
from eventstreams.cli.url import URL
from eventstreams.durations import parse_duration
from eventstreams.errors import PrerequisiteError
from eventstreams.verify.behaviours import BEHAVIOURS

_NEEDS: Final = ("psutil", "pygal", "standardwebhooks", "trustme", "twilio")
_MOST: Final = 10_000_000
_MOST_RECEIVERS: Final = 100
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_CALLS: Final = 10.0  # per second
_SOAK_S: Final = 1200.0  # only its second half is judged: in the first ten minutes, warming up looks like growth


def _receivers(text: str) -> list[str]:
    """Parse names of behaviours, with how many of each: ``healthy:3,slow``."""
    found: list[str] = []
    for part in text.split(","):
        name, colon, count = part.strip().partition(":")
        if name not in BEHAVIOURS:
            raise ValueError(f"{name!r} is not a receiver: the receivers are {', '.join(BEHAVIOURS)}")
        if colon and not (_COUNT.fullmatch(count) and int(count) > 0):
            raise ValueError(f"{part!r} must be a receiver, optionally with a count, such as {name}:3")
        many = int(count) if colon else 1
        if len(found) + many > _MOST_RECEIVERS:
            raise ValueError(f"at most {_MOST_RECEIVERS} receivers: each is a sink, and an account has no more")
        found += [name] * many
    return found


@click.command(
    epilog=examples(
        "eventstreams verify --up",
        "eventstreams verify --up --events 100000 --rate 1500 --report proof.html",
        "eventstreams verify --up --rolling --receivers healthy:4 --events 6000 --rate 150",
        "eventstreams verify --up --soak --faults all --pause 3m --events 360000 --rate 100 "
        "--receivers healthy:3,failing,slow,throttled,resetting,refusing,hanging --report soak.html",
        "eventstreams verify --api https://events.example.com --gateway https://publish.example.com --kafka kafka:9092",
    )
)
@click.option("--up", is_flag=True, help="Start a cluster on this machine, verify it, and stop it.")
@click.option("--api", type=URL, help="URL of the API; default: from the profile or EVENTSTREAMS_PUBLIC_URL.")
@click.option("--gateway", type=URL, default="http://127.0.0.1:8081", show_default=True, help="URL of the gateway.")
@click.option(
    "--kafka",
    metavar="HOST:PORT",
    help="The installation's Kafka, for checking lag and dead letters; default: the API is asked.",
)
@click.option(
    "--events",
    type=click.IntRange(1, _MOST),
    default=5_000,
    show_default=True,
    help="How many events each receiver gets.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1e6),
    default=500.0,
    show_default=True,
    help="Maximum rate, in events per second.",
)
@click.option(
    "--subscriptions",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Number of subscriptions, with one receiver each.",
)
@click.option(
    "--receivers",
    type=Parsed("RECEIVERS", _receivers),
    help="Which receivers, such as healthy:3,slow; default: one of each kind in turn.",
)
@click.option("--seed", type=click.IntRange(0), help="Random seed; default: a new one, which is printed.")
@click.option(
    "--settle", default="5m", show_default=True, metavar="5m", help="Time limit for settling everything at the end."
)
@click.option(
    "--duplicates",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Maximum share of duplicates, in percent, where something fails.",
)
@click.option(
    "--listen",
    help="Address on which to receive deliveries; port 0 picks a free one. Default: "
    "0.0.0.0:0, or 127.0.0.1:0 with --up.",
)
@click.option(
    "--receiver-url",
    type=URL,
    help="URL at which workers reach the receivers; default: this machine's address towards the API.",
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML report with plots to this file."
)
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="With --up: keep the cluster's data here."
)
@click.option(
    "--faults",
    default="",
    help="With --up: inject faults while it runs: all, or names such as kill,freeze,cut. An unknown name lists "
    "the valid ones.",
)
@click.option(
    "--brokers",
    type=click.Choice(["1", "3"]),
    default="1",
    show_default=True,
    help="With --faults: number of brokers in the cluster.",
)
@click.option(
    "--pause",
    default="15s",
    show_default=True,
    metavar="15s",
    help="With --faults: longest time between two faults; two may overlap.",
)
@click.option(
    "--rolling",
    is_flag=True,
    help="With --up: run two processes of each role, and replace them one after another meanwhile.",
)
@click.option(
    "--calls",
    type=click.FloatRange(0, 1000),
    help="API calls per second while it runs, none of which may fail; default: 0, or 10 with --rolling.",
)
@click.option(
    "--soak",
    is_flag=True,
    help="With --up: also report a process whose memory, descriptors or threads grow in the second half.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: print the result on stdout."
)
def verify(
    events: int,
    rate: float,
    settle: str,
    pause: str,
    faults: str,
    brokers: str,
    calls: float | None,
    *,
    soak: bool,
    **given: object,
) -> None:
    """Publish events, receive them with receivers that misbehave, and check each one: exit code 0 if all guarantees
    hold.

    Every event that the gateway acknowledges must be delivered to every subscription, unaltered and signed, or be a
    dead letter with its reason; nothing else may arrive. Otherwise the exit code is 1, and the report lists lost events
    by id, and where the installation believes them to be.

    It acts as the operator if EVENTSTREAMS_OPERATOR_TOKEN or the profile has the token: it then creates two accounts,
    and closes them at the end. Otherwise it acts as EVENTSTREAMS_ACCOUNT_SID with EVENTSTREAMS_AUTH_TOKEN, or as the
    profile's account, which must have no other message events in the meantime. Workers must be allowed to reach its
    receivers: see EVENTSTREAMS_ALLOWED_DESTINATIONS.
    """
    if lacking := [name for name in _NEEDS if find_spec(name) is None]:
        raise PrerequisiteError(f"verify needs {', '.join(lacking)}: pip install 'eventstreams[verify]'")
    names = [name.strip() for name in faults.split(",") if name.strip()]
    if names and not given["up"]:
        raise click.UsageError("--faults requires --up: faults are only injected into a cluster of its own")
    if given["rolling"] and (names or not given["up"]):
        raise click.UsageError(
            "--rolling requires --up and excludes --faults: only processes of a cluster of its own are replaced"
        )
    if soak and not given["up"]:
        raise click.UsageError("--soak requires --up: it watches the processes of a cluster of its own")
    if calls is None:
        calls = _CALLS if given["rolling"] else 0.0
    if soak and events / rate < _SOAK_S:
        raise click.UsageError(
            f"--soak requires at least twenty minutes of events, and these last {events / rate:.0f} s: use "
            f"--events {_SOAK_S * rate:.0f}, or a lower --rate"
        )
    waits = {"settle_s": _seconds("--settle", settle), "pause_s": _seconds("--pause", pause)}
    from eventstreams.verify.command import Arguments, run_command  # noqa: PLC0415 - needs the extra

    own = {"faults": names, "brokers": int(brokers), "calls": calls, "soak": soak}
    sys.exit(run_command(Arguments(events=events, rate=rate, **own, **waits, **given)))  # type: ignore[arg-type]  # click has parsed them


def _seconds(option: str, value: str) -> float:
    try:
        return parse_duration(value).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None
