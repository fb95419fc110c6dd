"""``eventstreams publish``, ``eventstreams simulate`` and ``eventstreams gateway``."""

import asyncio
import math
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, Final

import click
from click.decorators import FC
from typing_extensions import override

from eventstreams.durations import parse_duration
from eventstreams.process import run_role
from eventstreams.settings import PREFIX, Settings
from eventstreams.sids import SidKind, is_sid
from eventstreams.times import parse_rfc3339
from producers.commands import publish_file, simulate_events
from producers.gateway.role import serve
from producers.simulator import Product, Scenario

_MAX_RATE: Final = 100_000  # more than one process can make


class _Parsed(click.ParamType):
    """A parameter that ``parse`` reads; its ``ValueError`` is what the person is told."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    @override
    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _account(text: str) -> str:
    if not is_sid(text, SidKind.ACCOUNT):
        raise ValueError(f"{text!r} is no account SID: AC and 32 hexadecimal digits")
    return text


def _products(text: str) -> tuple[Product, ...]:
    try:
        return tuple(dict.fromkeys(Product(part.strip()) for part in text.split(",")))
    except ValueError:
        raise ValueError(f"{text!r}: choose from {', '.join(Product)}, with commas") from None


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _MAX_RATE:
        raise ValueError(f"{text!r} is not a number above 0 and up to {_MAX_RATE:,}")
    return rate


def _account_option(*, required: bool) -> Callable[[FC], FC]:
    return click.option(
        "--account",
        type=_Parsed("AC…", _account),
        envvar=f"{PREFIX}ACCOUNT_SID",
        show_envvar=True,
        required=required,
        help="Whose events they are." if required else "Whose events they are that have no accountsid.",
    )


@click.command()
@click.argument("file", type=click.File("rb"))
@_account_option(required=False)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: a line for each event, on stdout.",
)
def publish(file: BinaryIO, account: str | None, output: str) -> None:
    """Publish the CloudEvents in FILE, one JSON object a line; - is stdin.

    A line that is wrong is told with its number, the JSON path and the reason, and does not stop the others.
    Exit code 1 if any event was not accepted.
    """
    sys.exit(asyncio.run(publish_file(Settings.load(), file.fileno(), account_sid=account, as_json=output == "json")))


@click.command()
@_account_option(required=True)
@click.option("--rate", type=_Parsed("N", _rate), default=10.0, show_default=True, help="Events/s.")
@click.option("--duration", type=_Parsed("10s", parse_duration), help="How long; default: until Ctrl-C.")
@click.option("--count", type=click.IntRange(min=1), help="How many events, instead of --duration.")
@click.option(
    "--products", type=_Parsed("A,B", _products), default=",".join(Product), show_default=True, help="Whose events."
)
@click.option("--seed", type=int, help="Same seed and start, same events; default: another one each time.")
@click.option("--start", type=_Parsed("TIME", parse_rfc3339), help="Time of the first event; default: now.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Stories at a time."
)
@click.option("--print", "printing", is_flag=True, help="Write CloudEvents to stdout, one a line; publish nothing.")
def simulate(
    account: str,
    rate: float,
    duration: timedelta | None,
    count: int | None,
    products: tuple[Product, ...],
    seed: int | None,
    start: datetime | None,
    concurrency: int,
    printing: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    """Publish a lifelike stream of events: messages, calls and tasks, from their beginning to their end."""
    if duration is not None and count is not None:
        raise click.UsageError("--duration and --count exclude each other: choose one")
    scenario = Scenario(
        seed=secrets.randbits(32) if seed is None else seed,
        account_sid=account,
        start=start or datetime.now(UTC),
        rate=rate,
        products=products,
        concurrency=concurrency,
    )
    total = round(duration.total_seconds() * rate) if duration is not None else count
    sys.exit(asyncio.run(simulate_events(Settings.load(), scenario, total=total, printing=printing)))


@click.command()
def gateway() -> None:
    """Run the HTTP gateway: takes events by POST /v1/Events. Scale by adding copies behind a load balancer."""
    sys.exit(run_role("gateway", serve, Settings.load()))
