"""``eventstreams archive``: lists, exports and replays what S3 sinks have written."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final, Self, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eventstreams.cli.group import Group
from eventstreams.cli.parsed import Parsed
from eventstreams.cli.terminal import harmless, harmless_json
from eventstreams.settings import Settings
from sink_workers.archive.bucket import Archive, ArchiveError, Place, Wanted
from sink_workers.archive.reader import Tally, distinct_events
from sink_workers.archive.replay import Replayed, check_subscription, replay

_DEFAULT_RATE: Final = 50  # events a second, the same default as for a redrive
_MAX_RATE: Final = 5000
_SAY_S: Final = 1.0  # the shortest time between two lines of progress
_ENDLESS: Final = 1000  # columns if the output is not a terminal: grep and awk need unwrapped lines
_F = TypeVar("_F", bound=Callable[..., object])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a day such as 2026-03-29") from None


def _of_archive(command: _F) -> _F:
    """Add the options that select an archive and a part of it; ``_opened`` consumes their values."""
    day = Parsed("YYYY-MM-DD", _day)
    for decorate in reversed(
        [
            click.argument("place", metavar="s3://BUCKET/PREFIX", type=Parsed("s3://BUCKET/PREFIX", Place.parse)),
            click.option("--from", "first", type=day, help="Only events that happened on this day (UTC) or later."),
            click.option("--to", "last", type=day, help="Only events that happened on this day (UTC) or earlier."),
            click.option("--type", "types", multiple=True, help="Only events of this type."),
            click.option("--region", help="Region of the bucket; default: as configured for AWS clients."),
            click.option("--endpoint-url", help="URL of another S3-compatible server; default: AWS."),
        ]
    ):
        command = decorate(command)
    return command


_output = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Output format; json is for scripts.",
)


@click.group(cls=Group)
def archive() -> None:
    """List, export and replay what S3 sinks have written.

    Credentials are found as by other AWS clients: AWS_ACCESS_KEY_ID, ~/.aws, or the machine's role.
    """


@archive.command("list")
@_of_archive
@_output
def list_command(output: str, **chosen: object) -> None:
    """List days and types, with the number and size of their objects."""
    opened, wanted = _opened(chosen)
    rows: list[Mapping[str, object]] = []
    with _Progress() as progress:
        for part in opened.parts(wanted):
            sizes = [stored.size for stored in opened.objects(part)]
            if sizes:
                rows.append({"day": part.day, "type": part.type, "objects": len(sizes), "bytes": sum(sizes)})
            progress.say(f"{len(rows):,} listed, at {part.day}")
    _show(rows, ("day", "type", "objects", "bytes"), output)


@archive.command()
@_of_archive
@click.option("--into", type=click.Path(dir_okay=False, path_type=Path), help="Output file; default: standard output.")
@_output
def export(into: Path | None, output: str, **chosen: object) -> None:
    """Write each event once, as one CloudEvents JSON object per line.

    An event that was delivered more than once is in several objects; it is exported only once. The file appears under
    its name when it is complete.
    """
    opened, wanted = _opened(chosen)
    tally, events = Tally(), 0
    with _Progress() as progress, _writing(into) as file:
        for event in distinct_events(opened, wanted, tally, lambda: progress.say(_read_so_far(tally))):
            file.write(event.json() + b"\n")
            events += 1
    summary = {"events": events, "repeated": tally.repeated, "objects": tally.objects, "bytes": tally.read_bytes}
    if into is not None:
        _show([summary], tuple(summary), output)
    else:
        click.echo(f"{events:,} events; {_read_so_far(tally)}", err=True)


@archive.command("replay")
@_of_archive
@click.option("--subscription", required=True, metavar="DF…", help="Subscription that receives the events.")
@click.option(
    "--rate",
    type=click.IntRange(1, _MAX_RATE),
    default=_DEFAULT_RATE,
    show_default=True,
    help="Rate, in events per second.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_output
def replay_command(subscription: str, rate: int, output: str, *, yes: bool, **chosen: object) -> None:
    """Copy each event to the topic of one subscription, which delivers it again.

    For operators: it writes to Kafka, using EVENTSTREAMS_KAFKA and the other settings. Other subscriptions do not get
    the events. Ctrl-C stops it; if run again, it starts from the beginning.
    """
    settings = Settings.load()
    opened, wanted = _opened(chosen)
    asyncio.run(check_subscription(settings, subscription))
    sizes = [stored.size for part in opened.parts(wanted) for stored in opened.objects(part)]
    if not sizes:
        raise ArchiveError(
            "there are no objects for these days and types: `eventstreams archive list` shows those that exist"
        )
    if not yes:
        click.confirm(
            f"Replay the events of {len(sizes):,} objects ({sum(sizes):,} bytes) to {subscription}?",
            abort=True,
            err=True,
        )
    tally, done = Tally(), Replayed()
    with _Progress() as progress:

        def told() -> None:
            progress.say(f"{done.events:,} events replayed; {_read_so_far(tally)}; {len(sizes):,} objects in all")

        events = distinct_events(opened, wanted, tally)
        asyncio.run(replay(settings, subscription, events, rate=rate, done=done, progress=told))
    skipped = {reason.value: count for reason, count in sorted(done.skipped.items())}
    summary = {"events": done.events, "repeated": tally.repeated, "skipped": skipped}
    _show([summary], tuple(summary), output)


def _opened(chosen: Mapping[str, object]) -> tuple[Archive, Wanted]:
    """Open the archive that the options of ``_of_archive`` name; also return which part of it is wanted."""
    place, first, last = chosen["place"], chosen["first"], chosen["last"]
    region, endpoint_url, types = chosen["region"], chosen["endpoint_url"], chosen["types"]
    assert isinstance(place, Place)
    assert isinstance(first, date | None)
    assert isinstance(last, date | None)
    assert isinstance(region, str | None)
    assert isinstance(endpoint_url, str | None)
    assert isinstance(types, tuple)
    if first is not None and last is not None and first > last:
        raise click.BadParameter(f"{first} is after {last}", param_hint="--from")
    return Archive.open(place, region=region, endpoint_url=endpoint_url), Wanted(first, last, types)


class _Progress:
    """Prints progress on standard error, at most one line a second."""

    def __enter__(self) -> Self:
        self._said_s = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to clean up."""

    def say(self, words: str) -> None:
        if time.monotonic() - self._said_s >= _SAY_S:
            self._said_s = time.monotonic()
            click.echo(words, err=True)


@contextmanager
def _writing(into: Path | None) -> Iterator[BinaryIO]:
    """Open standard output, or a temporary file that is renamed to ``into`` once everything is written."""
    if into is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # the reader closed the pipe, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        return
    part = into.with_name(f"{into.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(into)
    except OSError as error:
        raise ArchiveError(f"{error.filename or into} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _read_so_far(tally: Tally) -> str:
    return f"{tally.rows:,} rows read from {tally.objects:,} objects, {tally.repeated:,} of them duplicates"


def _show(rows: Sequence[Mapping[str, object]], columns: Sequence[str], output: str) -> None:
    if output == "json":
        told = rows[0] if columns[0] == "events" else rows
        click.echo(harmless_json(told, indent=True))
        return
    if not rows:
        click.echo("none", err=True)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(harmless(_cell(row[column]))) for column in columns))  # no markup: names can be anything
    Console(width=None if sys.stdout.isatty() else _ENDLESS, highlight=False).print(table)


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{count:,} {reason}" for reason, count in value.items()) or "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
