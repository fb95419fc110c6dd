"""``eventstreams verify``."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
from typing_extensions import override

from eventstreams.cli.terminal import examples
from eventstreams.cli.url import URL
from eventstreams.durations import parse_duration
from eventstreams.errors import PrerequisiteError
from eventstreams.verify.behaviours import BEHAVIOURS

_NEEDS: Final = ("psutil", "pygal", "standardwebhooks", "trustme", "twilio")
_MOST: Final = 10_000_000
_CALLS: Final = 10.0  # per second
_SOAK_S: Final = 1200.0  # only its second half is judged: in the first ten minutes, warming up looks like growth


class _Receivers(click.ParamType):
    """Names of behaviours, with how many of each: ``healthy:3,slow``."""

    name = "receivers"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        found: list[str] = []
        for part in value.split(","):
            name, colon, count = part.strip().partition(":")
            if name not in BEHAVIOURS:
                self.fail(f"{name!r} is no receiver: there are {', '.join(BEHAVIOURS)}", param, ctx)
            if colon and not (count.isascii() and count.isdecimal() and int(count) > 0):
                self.fail(f"{part!r} must be a receiver, or one with how many of it, such as {name}:3", param, ctx)
            found += [name] * (int(count) if colon else 1)
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
@click.option("--up", is_flag=True, help="Start a cluster on this machine, verify it, and end it.")
@click.option("--api", type=URL, help="Where the API is; default: as the profile or EVENTSTREAMS_PUBLIC_URL has it.")
@click.option("--gateway", type=URL, default="http://127.0.0.1:8081", show_default=True, help="Where the gateway is.")
@click.option(
    "--kafka", metavar="HOST:PORT", help="Its Kafka, to look at lag and dead letters; default: the API is asked."
)
@click.option(
    "--events", type=click.IntRange(1, _MOST), default=5_000, show_default=True, help="How many each receiver gets."
)
@click.option(
    "--rate", type=click.FloatRange(0.1, 1e6), default=500.0, show_default=True, help="Events a second, at most."
)
@click.option(
    "--subscriptions",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="How many, with a receiver each.",
)
@click.option("--receivers", type=_Receivers(), help="Which, such as healthy:3,slow; default: one of each in turn.")
@click.option("--seed", type=click.IntRange(0), help="Seed of all that is drawn; default: a new one, which is told.")
@click.option(
    "--settle", default="5m", show_default=True, metavar="5m", help="Within what time all must be settled at the end."
)
@click.option(
    "--duplicates",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Most events, in percent, that may come more often than they were published where something fails.",
)
@click.option("--listen", help="Where to take deliveries; port 0 is any. Default: 0.0.0.0:0, with --up 127.0.0.1:0.")
@click.option(
    "--receiver-url", type=URL, help="Where workers reach that; default: this machine's address on the way to the API."
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with plots to this file.")
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="With --up: keep the cluster's data here."
)
@click.option(
    "--faults",
    default="",
    help="With --up: inflict faults meanwhile; all, or names such as kill,freeze,cut. A name that is none tells which.",
)
@click.option(
    "--brokers", type=click.Choice(["1", "3"]), default="1", show_default=True, help="With --faults: of the cluster."
)
@click.option(
    "--pause",
    default="15s",
    show_default=True,
    metavar="15s",
    help="With --faults: longest time between one and the next; two may be on at once.",
)
@click.option(
    "--rolling",
    is_flag=True,
    help="With --up: two processes of each role, which are replaced meanwhile, one after another.",
)
@click.option(
    "--calls",
    type=click.FloatRange(0, 1000),
    help="Calls of the API a second meanwhile, none of which may fail; default: 0, with --rolling 10.",
)
@click.option(
    "--soak",
    is_flag=True,
    help="With --up: a process whose memory, descriptors or threads grow in the second half is a problem, too.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: the result, on stdout."
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
    """Publish events, receive them with receivers that misbehave, and judge each one: exit code 0 where all holds.

    Every event that the gateway acknowledges must be delivered to every subscription, unaltered and signed, or be a
    dead letter with its reason; nothing else may arrive. Else the exit code is 1, and it is said what was lost, by id,
    and where the installation believes it to be.

    It asks as the operator where EVENTSTREAMS_OPERATOR_TOKEN or the profile has the token: then it makes two accounts,
    and closes them. Otherwise it asks as EVENTSTREAMS_ACCOUNT_SID with EVENTSTREAMS_AUTH_TOKEN, or the profile's, which
    must have no other events of messages meanwhile. Workers must be allowed to reach its receivers:
    EVENTSTREAMS_ALLOWED_DESTINATIONS.
    """
    if lacking := [name for name in _NEEDS if find_spec(name) is None]:
        raise PrerequisiteError(f"verify needs {', '.join(lacking)}: pip install 'eventstreams[verify]'")
    names = [name.strip() for name in faults.split(",") if name.strip()]
    if names and not given["up"]:
        raise click.UsageError("--faults needs --up: faults are inflicted on a cluster of its own alone")
    if given["rolling"] and (names or not given["up"]):
        raise click.UsageError("--rolling needs --up, and no --faults: what is replaced is a cluster of its own")
    if soak and not given["up"]:
        raise click.UsageError("--soak needs --up: it looks at the processes of a cluster of its own")
    if calls is None:
        calls = _CALLS if given["rolling"] else 0.0
    if soak and events / rate < _SOAK_S:
        raise click.UsageError(
            f"--soak wants twenty minutes of events at least, and these are {events / rate:.0f} s: "
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
