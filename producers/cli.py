"""``eventstreams publish``, ``eventstreams simulate`` and ``eventstreams gateway``.

Each imports what it needs when it is called: a gateway draws no progress bars and simulates nothing, and publishing a
file needs no HTTP server. That saves half of the time of a start.
"""

import asyncio
import difflib
import math
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, Final

import click
from click.decorators import FC

from eventstreams.cli.parsed import Parsed
from eventstreams.cli.terminal import examples
from eventstreams.durations import parse_duration
from eventstreams.settings import PREFIX, Settings
from eventstreams.sids import SidKind, is_sid
from eventstreams.times import parse_rfc3339

if TYPE_CHECKING:
    from producers.simulator import SimulatedProduct

_MAX_RATE: Final = 100_000  # more than one process can produce; for as many as possible there is "max"
_FULL_SPEED: Final = ("max", "0")
_ALL: Final = "all"
_LATEST_START: Final = datetime(9000, 1, 1, tzinfo=UTC)  # a thousand years before the latest datetime
_BACK: Final = timedelta(days=1)  # simulated time runs faster than real time; from this far back it lags for hours


def _account(text: str) -> str:
    if not is_sid(text, SidKind.ACCOUNT):
        raise ValueError(f"{text!r} is not an account SID: it must be AC and 32 hexadecimal digits")
    return text


def _products(text: str) -> "tuple[SimulatedProduct, ...]":
    from producers.simulator import default_products, known_products  # noqa: PLC0415 - what this command alone needs

    known = known_products()
    found: dict[str, SimulatedProduct] = {}
    for name in (part.strip() for part in text.split(",")):
        if name == _ALL:
            found |= {each.name: each for each in default_products()}
        elif name in known:
            found[name] = known[name]
        else:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(
                f"{name!r} is not a product{hint}: choose from {', '.join(known)}, separated by commas, or {_ALL}"
            )
    return tuple(found.values())


def _rate(text: str) -> float | str:
    """Events per second; "max" for no limit, since to click None means that the option was not given."""
    if text.strip().lower() in _FULL_SPEED:
        return _FULL_SPEED[0]
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _MAX_RATE:
        raise ValueError(
            f"{text!r} is not a rate: it must be a number of events per second above 0 and up to {_MAX_RATE:,}, or "
            "max (or 0) for as many as possible"
        )
    return rate


def _start(text: str) -> datetime:
    at = parse_rfc3339(text)
    if at >= _LATEST_START:
        raise ValueError(f"{text!r} is too late: simulated time would exceed the latest possible date")
    return at


def _account_option(*, several: bool) -> Callable[[FC], FC]:
    return click.option(
        "--account",
        "accounts" if several else "account",
        type=Parsed("AC…", _account),
        envvar=f"{PREFIX}ACCOUNT_SID",
        show_envvar=True,
        required=several,
        multiple=several,
        help="Account that the events belong to. If given several times, the second has half as many stories as "
        "the first, and so on."
        if several
        else "Account for events without an accountsid.",
    )


def _output_option(what: str) -> Callable[[FC], FC]:
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        help=f"json: {what}, on stdout.",
    )


@click.command(
    epilog=examples(
        "eventstreams publish events.jsonl",
        "eventstreams simulate --print --count 100 | eventstreams publish -",
    )
)
@click.argument("file", type=click.File("rb"))
@_account_option(several=False)
@_output_option("one line per event")
def publish(file: BinaryIO, account: str | None, output: str) -> None:
    """Publish the CloudEvents in FILE, one JSON object per line; - is stdin.

    An invalid line is reported with its number, the JSON path and the reason, and does not stop the others. The exit
    code is 1 if any event was not accepted.
    """
    from producers.commands import publish_file  # noqa: PLC0415 - what this command alone needs

    sys.exit(asyncio.run(publish_file(Settings.load(), file.fileno(), account_sid=account, as_json=output == "json")))


@click.command(
    epilog=examples(
        "eventstreams simulate --rate 20 --duration 10m",
        "eventstreams simulate --products messaging --print --seed 7 --count 10   the same events each time",
    )
)
@_account_option(several=True)
@click.option(
    "--rate",
    type=Parsed("N|max", _rate),
    default="10",
    show_default=True,
    help="Events per second; max: as many as possible.",
)
@click.option("--duration", type=Parsed("10s", parse_duration), help="How long to run; default: until Ctrl-C.")
@click.option("--count", type=click.IntRange(min=1), help="How many events to publish, instead of --duration.")
@click.option(
    "--products",
    type=Parsed("A,B", _products),
    default=_ALL,
    show_default=True,
    help="Products to simulate, separated by commas.",
)
@click.option("--seed", type=int, help="The same seed and start give the same events; default: a new one each time.")
@click.option("--start", type=Parsed("TIME", _start), help="When the first story begins; default: one day ago.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Concurrent stories."
)
@click.option(
    "--print", "printing", is_flag=True, help="Write CloudEvents to stdout, one per line, instead of publishing them."
)
@_output_option("the summary as one object")
def simulate(
    accounts: tuple[str, ...],
    rate: float | str,
    duration: timedelta | None,
    count: int | None,
    products: "tuple[SimulatedProduct, ...]",
    seed: int | None,
    start: datetime | None,
    concurrency: int,
    printing: bool,  # noqa: FBT001 - click passes it by name
    output: str,
) -> None:
    """Publish a realistic stream of events: messages, calls, tasks and so on, from their beginning to their end.

    The events depend only on seed, accounts, products and concurrency; --start shifts them in time, and --rate only
    sets how fast they are published. Simulated time advances from event to event, faster than real time at most rates.
    """
    from producers.commands import Simulation, simulate_events  # noqa: PLC0415 - what this command alone needs
    from producers.simulator import Scenario  # noqa: PLC0415

    if duration is not None and count is not None:
        raise click.UsageError("--duration and --count are mutually exclusive: choose one")
    if printing and output == "json":
        raise click.UsageError("--print and -o json are mutually exclusive: both write to stdout")
    simulation = Simulation(
        Scenario(
            seed=secrets.randbits(32) if seed is None else seed,
            accounts=tuple(dict.fromkeys(accounts)),
            start=start or datetime.now(UTC) - _BACK,
            products=products,
            concurrency=concurrency,
        ),
        rate=None if isinstance(rate, str) else rate,
        total=round(duration.total_seconds() * rate) if duration is not None and not isinstance(rate, str) else count,
        duration_s=duration.total_seconds() if duration is not None and isinstance(rate, str) else None,
    )
    settings = Settings.load()
    sys.exit(asyncio.run(simulate_events(settings, simulation, printing=printing, as_json=output == "json")))


@click.command()
def gateway() -> None:
    """Run the HTTP gateway, which accepts events by POST /v1/Events. Scale by adding copies behind a load balancer."""
    from eventstreams.process import run_role  # noqa: PLC0415 - what this command alone needs
    from producers.gateway.role import serve  # noqa: PLC0415

    sys.exit(run_role("gateway", serve, Settings.load()))
