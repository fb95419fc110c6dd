"""``eventstreams dead-letters`` and ``eventstreams redrive``: what the API offers, from a terminal."""

import asyncio
from collections.abc import Callable
from itertools import chain
from typing import Final, TypeVar

import click
import orjson

from control_api.redrive.pace import DEFAULT_RATE, MAX_RATE, MIN_RATE
from control_api.remote import Answer, Fields, Remote
from eventstreams.client import ApiError
from eventstreams.client.values import FINISHED, JobStatus
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings

_LOOK_S: Final = 0.5
_F = TypeVar("_F", bound=Callable[..., object])


def _filters(command: _F) -> _F:
    """The options that choose dead letters; ``_chosen`` makes fields of them."""
    for option in reversed(
        [
            click.option("--subscription", metavar="DF…", help="Those of this subscription."),
            click.option(
                "--reason", multiple=True, type=click.Choice([each.value for each in DeadReason]), help="Died of this."
            ),
            click.option("--type", "type_", multiple=True, help="Of this event type."),
            click.option("--event-id", multiple=True, help="Of this event."),
            click.option("--after", metavar="TIME", help="Died at this time or later: 2026-03-29T04:00:00Z."),
            click.option("--before", metavar="TIME", help="Died sooner than this."),
            click.option("--filter", "expression", metavar="CEL", help="For which this is true: 'status >= 500'."),
            click.option("--url", help="Where the API is; default: EVENTSTREAMS_PUBLIC_URL, or this machine."),
        ]
    ):
        command = option(command)
    return command


@click.command("dead-letters")
@_filters
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show so many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def dead_letters(url: str | None, limit: int, *, as_json: bool, **chosen: object) -> None:
    """List dead letters, newest first."""
    asyncio.run(_list(Settings.load(), url, _chosen(chosen), limit, as_json=as_json))


@click.command()
@_filters
@click.option("--dead-letter", multiple=True, metavar="ID", help="This one, such as webhook.0.1234.")
@click.option(
    "--rate", type=click.IntRange(MIN_RATE, MAX_RATE), default=DEFAULT_RATE, show_default=True, help="Events a second."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def redrive(url: str | None, rate: int, *, yes: bool, **chosen: object) -> None:
    """Put dead letters on their subscriptions' topics again: shows what would happen, asks, follows the job.

    Ctrl-C ends the watching, not the job.
    """
    asyncio.run(_redrive(Settings.load(), url, [*_chosen(chosen), ("Rate", str(rate))], yes=yes))


async def _list(settings: Settings, url: str | None, fields: Fields, limit: int, *, as_json: bool) -> None:
    async with Remote(settings, url) as api:
        shown = 0
        async for letter in api.pages(
            "/v1/DeadLetters", "dead_letters", [*fields, ("PageSize", str(min(limit, 1000)))]
        ):
            click.echo(orjson.dumps(letter) if as_json else _line(letter))
            shown += 1
            if shown >= limit:
                return
        if not shown:
            click.echo("no dead letters", err=True)


async def _redrive(settings: Settings, url: str | None, fields: Fields, *, yes: bool) -> None:
    async with Remote(settings, url) as api:
        preview = await api.preview("/v1/Redrives/Preview", fields)
        click.echo(_told(preview))
        if not preview["selected"]:
            return
        if not yes:
            click.confirm("Redrive them?", abort=True)
        job = await api.post("/v1/Redrives", fields)
        click.echo(f"{job['sid']}")
        while job["status"] not in FINISHED:
            await asyncio.sleep(_LOOK_S)
            job = await api.get(f"/v1/Redrives/{job['sid']}")
        click.echo(f"{job['status']}: {job['redriven']} redriven{_skipped(job)}")
        if job["status"] == JobStatus.FAILED:
            raise ApiError(str(job["error_message"]))


def _chosen(options: dict[str, object]) -> Fields:
    """The API's fields for the options that were given."""
    names = {
        "subscription": "SubscriptionSid",
        "reason": "Reason",
        "type_": "Type",
        "event_id": "EventId",
        "after": "After",
        "before": "Before",
        "expression": "Filter",
        "dead_letter": "DeadLetterId",
    }
    several = {name: value if isinstance(value, tuple) else (value,) for name, value in options.items()}
    given = ([(names[name], str(each)) for each in values if each is not None] for name, values in several.items())
    return list(chain.from_iterable(given))


def _line(letter: Answer) -> str:
    return "  ".join(
        str(letter[name])
        for name in ("date_died", "id", "subscription_sid", "event_id", "event_type", "reason", "code", "detail")
    )


def _told(preview: Answer) -> str:
    if not preview["selected"]:
        return "nothing is selected"
    least = "" if preview["complete"] else "at least "
    return (
        f"{least}{preview['redriven']} events, {preview['oldest']} to {preview['newest']}, "
        f"in {preview['expected_minutes']} minutes at {preview['rate']} a second{_skipped(preview)}"
    )


def _skipped(answer: Answer) -> str:
    skipped = answer["skipped"]
    assert isinstance(skipped, dict)
    return "".join(f", {count} skipped: {reason}" for reason, count in skipped.items())
