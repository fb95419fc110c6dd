"""What commands that ask a running API share: their options, the asking, and how answers are shown."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from control_api.remote import Answer, Fields, Remote
from eventstreams.settings import Settings

PAGE: Final = "1000"
"""The largest page of a list."""
_SECRETS: Final = ("auth_token", "secret")
_ENDLESS: Final = 1000
_F = TypeVar("_F", bound=Callable[..., object])


def common(command: _F) -> _F:
    command = click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="For scripts: json.",
    )(command)
    return click.option("--url", help="Where the API is; default: EVENTSTREAMS_PUBLIC_URL, or this machine.")(command)


def given(**fields: str | None) -> Fields:
    return [(name, value) for name, value in fields.items() if value is not None]


async def all_of(api: Remote, path: str, key: str, fields: Fields, *, limit: int | None = None) -> list[Answer]:
    found: list[Answer] = []
    async for each in api.pages(path, key, fields):
        found.append(each)
        if len(found) == limit:
            break
    return found


def run(
    work: Callable[[Remote], Awaitable[Answer | list[Answer]]],
    url: str | None,
    output: str,
    columns: Sequence[str],
    *,
    as_operator: bool = True,
) -> None:
    """Ask, and show what was told."""

    async def ask() -> Answer | list[Answer]:
        async with Remote(Settings.load(), url, as_operator=as_operator) as api:
            return await work(api)

    told = asyncio.run(ask())
    if output == "json":
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    elif isinstance(told, list):
        _table(told, columns)
    else:
        _one(told, columns)


def _one(told: Answer, columns: Sequence[str]) -> None:
    for name in (*columns, *_SECRETS):
        if told.get(name) is not None:
            click.echo(f"{name:<18} {told[name]}")
    if any(told.get(name) for name in _SECRETS):
        click.echo("Keep it: it is not shown again.", err=True)


def _table(items: Sequence[Answer], columns: Sequence[str]) -> None:
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for item in items:
        table.add_row(*(Text(_text(item.get(name))) for name in columns))  # not markup: names can be anything
    if items:
        # Where nobody looks at it, a line is as long as it must be: for grep and awk.
        Console(width=None if sys.stdout.isatty() else _ENDLESS, highlight=False).print(table)
    else:
        click.echo("none", err=True)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "-" if value is None or value == "" else str(value)
