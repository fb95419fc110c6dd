"""``eventstreams tail``: shows attempts as they are made."""

import asyncio
from collections.abc import Sequence
from typing import Final

import click
from rich.text import Text

from control_api.commands.following import MOST_PAGES, PAGE, Following, Look
from control_api.commands.remote import Answer, Fields, Remote
from control_api.commands.run import cell, common, console, given
from control_api.commands.types import unknown_type
from eventstreams.attempts import EntryKind
from eventstreams.cli.terminal import examples, harmless, harmless_json
from eventstreams.control.sink_tests import TEST_EVENT
from eventstreams.settings import Settings

_COLUMNS: Final = (
    "began_at", "outcome", "status", "event_type", "event_id", "attempt", "subscription_sid", "reason", "detail",
)  # fmt: skip
_LONGEST: Final = 100
_FIELDS: Final = {
    "event": "EventId",
    "subscription": "SubscriptionSid",
    "sink": "SinkSid",
    "outcome": "Outcome",
    "reason": "Reason",
}


@click.command(
    epilog=examples("eventstreams tail --outcome failed", "eventstreams tail --sink DG… -o json | jq .detail")
)
@click.option("--event", metavar="ID", help="Only attempts for this event.")
@click.option("--subscription", metavar="DF…", help="Only attempts for this subscription.")
@click.option("--sink", metavar="DG…", help="Only attempts at this sink.")
@click.option(
    "--outcome",
    type=click.Choice([*(each.value for each in EntryKind), "failed"]),
    help="Only attempts with this outcome; failed: any but delivered.",
)
@click.option("--reason", help="Only attempts with this reason, such as timed_out.")
@click.option("--type", "type_", metavar="TYPE", help="Only attempts for events of this type.")
@click.option(
    "--lines",
    type=click.IntRange(0, PAGE * MOST_PAGES),
    default=10,
    show_default=True,
    help="How many earlier attempts to show first.",
)
@click.option(
    "--interval", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Polling interval, in seconds."
)
@click.option("--count", type=click.IntRange(1), help="Exit after this many attempts; default: on Ctrl-C.")
@common
def tail(
    type_: str | None,
    lines: int,
    interval: float,
    count: int | None,
    url: str | None,
    output: str,
    **filters: str | None,
) -> None:
    """Show attempts as they are made, until Ctrl-C. With -o json: one object per line.

    They come from the delivery log, which is polled every second. If there are more than one poll can read, some are
    left out and a line on standard error says so; filters help.
    """
    fields = given(**{_FIELDS[name]: value for name, value in filters.items()})
    try:
        asyncio.run(_follow(fields, type_, lines, interval, count, url, as_json=output == "json"))
    except KeyboardInterrupt:
        click.echo(err=True)  # a new line after the terminal's ^C


async def _follow(
    filters: Fields,
    type_: str | None,
    lines: int,
    interval: float,
    count: int | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    left = count
    async with Remote(Settings.load(), url) as api:
        if type_ is not None and type_ != TEST_EVENT and (unknown := await unknown_type(api, type_)):
            click.echo(f"… {harmless(unknown)}", err=True)  # a type that no longer exists may still have attempts
        following = Following(lambda fields: api.get("/v1/Attempts", fields), filters)
        first = await following.look()
        look = Look(_of_type(first.attempts, type_)[-lines:] if lines else (), sampled=False)
        while True:
            if look.sampled:
                click.echo(
                    f"… sampled: more attempts came than the {PAGE * MOST_PAGES:,} that one poll can read; some "
                    "are left out",
                    err=True,
                )
            for each in _of_type(look.attempts, type_)[:left]:
                _show(each, as_json=as_json)
                left = None if left is None else left - 1
            if left == 0:
                return
            await asyncio.sleep(interval)
            look = await following.look()


def _of_type(attempts: Sequence[Answer], type_: str | None) -> Sequence[Answer]:
    return [each for each in attempts if type_ is None or each["event_type"] == type_]


def _show(attempt: Answer, *, as_json: bool) -> None:
    if as_json:
        click.echo(harmless_json(attempt))
        return
    line = Text("  ").join(cell(attempt.get(name), longest=_LONGEST) for name in _COLUMNS)
    console().print(line, soft_wrap=True)
