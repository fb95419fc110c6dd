"""What the commands that talk to a running API share: options, requests, and how answers are shown."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from control_api.commands.remote import Answer, Fields, Remote
from eventstreams.cli.terminal import LONGEST, harmless, harmless_json
from eventstreams.settings import Settings

PAGE: Final = "1000"
"""The largest page of a list."""
_SECRETS: Final = ("auth_token", "secret")
_ENDLESS: Final = 10_000
_GOOD: Final = "green"
_BAD: Final = "red"
_PASSING: Final = "yellow"
_STYLES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("active", "available", "delivered", "working"), _GOOD),
    **dict.fromkeys(("broken", "closed", "dead", "died", "discontinued", "failed", "failing", "rejected"), _BAD),
    **dict.fromkeys(("deprecated", "paused", "restricted", "retry_later", "retrying", "suspended"), _PASSING),
}
_WHOLE: Final = ("sid", "_at", "status", "type", "date_created")
"""Names, or endings of names, of columns with short values that people copy: they are not wrapped."""
_READABLE: Final = 12
_F = TypeVar("_F", bound=Callable[..., object])

url_option = click.option("--url", help="URL of the API; default: EVENTSTREAMS_PUBLIC_URL, or this machine.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def common(command: _F) -> _F:
    command = click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Output format; json is for scripts.",
    )(command)
    return url_option(command)


def given(**fields: str | None) -> Fields:
    return [(name, value) for name, value in fields.items() if value is not None]


def named(text: str) -> str:
    """Quote ``text`` as one segment of a path; bytes that are not UTF-8 stay as they are."""
    return quote(text, safe="", errors="surrogateescape")


async def all_of(api: Remote, path: str, key: str, fields: Fields, *, limit: int | None = None) -> list[Answer]:
    found: list[Answer] = []
    async for each in api.pages(path, key, fields):
        found.append(each)
        if len(found) == limit:
            break
    return found


def ask(
    work: Callable[[Remote], Awaitable[Answer | list[Answer]]], url: str | None, *, as_operator: bool = False
) -> Answer | list[Answer]:
    """Connect to the API, and return the result of ``work``."""

    async def asking() -> Answer | list[Answer]:
        async with Remote(Settings.load(), url, as_operator=as_operator) as api:
            return await work(api)

    return asyncio.run(asking())


def run(
    work: Callable[[Remote], Awaitable[Answer | list[Answer]]],
    url: str | None,
    output: str,
    columns: Sequence[str],
    *,
    as_operator: bool = True,
    none: str = "none",
) -> None:
    """Ask the API, and show the answer; ``none``: what is printed for an empty list."""
    told = ask(work, url, as_operator=as_operator)
    if output == "json":
        show_json(told)
    elif isinstance(told, list):
        show_table(told, columns, none=none)
    else:
        show_one(told, columns)


def show_json(told: object) -> None:
    click.echo(harmless_json(told, indent=True))


def show_one(told: Answer, columns: Sequence[str]) -> None:
    """Print a line for each of ``columns`` that ``told`` has, and for secrets."""
    for name in (*columns, *_SECRETS):
        if told.get(name) is not None:
            show_line(name, told[name])
    if any(told.get(name) for name in _SECRETS):
        click.echo("Store it now: it is not shown again.", err=True)


def show_line(name: str, value: object) -> None:
    """Print ``name`` and the whole ``value``."""
    line = Text(f"{name:<18} ")
    line.append(cell(value, longest=None))
    console().print(line, soft_wrap=True)


def show_table(
    items: Sequence[Answer], columns: Sequence[str], *, width: int | None = None, none: str = "none"
) -> None:
    """Print ``items`` as a table, or as a block of lines each if it would be wider than ``width``.

    ``width`` defaults to the terminal's.
    """
    rows = [[cell(item.get(name)) for name in columns] for item in items]
    whole = [name.endswith(_WHOLE) for name in columns]
    if not rows:
        click.echo(none, err=True)
    elif _least_width(columns, rows, whole) > (width or console().width):
        for number, item in enumerate(items):
            if number:
                click.echo()
            show_one(item, columns)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name, stays in zip(columns, whole, strict=True):
            table.add_column(name, no_wrap=stays, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console().print(table)


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[Text]], whole: Sequence[bool]) -> int:
    """The least width of a table in which no value of a ``whole`` column is wrapped and the others stay readable."""
    widest = [max(len(name), *(row[at].cell_len for row in rows)) for at, name in enumerate(columns)]
    needed = [width if stays else min(width, _READABLE) for width, stays in zip(widest, whole, strict=True)]
    return sum(needed) + 2 * (len(needed) - 1)


def console() -> Console:
    """Standard output. If it is not a terminal, lines are not wrapped, for grep and awk, and there are no colours."""
    looked_at = sys.stdout.isatty()
    return Console(width=None if looked_at else _ENDLESS, highlight=False, color_system="auto" if looked_at else None)


def cell(value: object, *, longest: int | None = LONGEST) -> Text:
    """``value`` as safe text: no markup and no control characters; well-known words are coloured."""
    text = harmless(_text(value), longest=longest)
    return Text(text, style=_STYLES.get(text, ""))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return harmless_json(value)
    if isinstance(value, list) and value:
        return ",".join(map(_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None or value in ("", []) else str(value)
