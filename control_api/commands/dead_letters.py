"""``eventstreams dead-letters`` and ``eventstreams redrive``: the API's dead letters on the command line."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from control_api.commands.remote import Answer, Fields, Remote
from control_api.commands.run import PAGE, all_of, ask, common, named, run, show_json, show_one, yes_option
from control_api.redrive.pace import DEFAULT_RATE, MAX_RATE, MIN_RATE
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import examples, harmless, harmless_json
from eventstreams.client import ApiError
from eventstreams.client.values import FINISHED, JobStatus
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings

_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Listing:
    """A list of dead letters in the API, and the columns that are shown."""

    path: str
    key: str
    columns: Sequence[str]


_OF_ACCOUNT: Final = _Listing(
    "/v1/DeadLetters",
    "dead_letters",
    ("date_died", "id", "subscription_sid", "event_id", "event_type", "reason", "code", "detail"),
)
_OF_ROUTER: Final = _Listing(
    "/operator/v1/RouterDeadLetters",
    "router_dead_letters",
    ("date_died", "origin", "account_sid", "event_id", "event_type", "reason", "detail"),
)
_SHOWN: Final = (
    *("id", "event_id", "event_type", "subscription_sid", "reason", "code", "detail", "attempts"),
    *("date_accepted", "date_died", "status", "answer", "job_sid", "data_problem"),
)
_F = TypeVar("_F", bound=Callable[..., object])


def _filters(command: _F) -> _F:
    """Add the options that select dead letters; ``_chosen`` turns them into fields of the API."""
    for option in reversed(
        [
            click.option("--subscription", metavar="DF…", help="Only those of this subscription."),
            click.option(
                "--reason",
                multiple=True,
                type=click.Choice([each.value for each in DeadReason]),
                help="Only those with this reason.",
            ),
            click.option("--type", "type_", multiple=True, help="Only those of this event type."),
            click.option("--event-id", multiple=True, help="Only those of this event."),
            click.option(
                "--after",
                metavar="TIME",
                help="Only those that died at this time or later, such as 2026-03-29T04:00:00Z.",
            ),
            click.option("--before", metavar="TIME", help="Only those that died before this time."),
            click.option(
                "--filter",
                "expression",
                metavar="CEL",
                help="Only those for which this expression is true, such as 'status >= 500'.",
            ),
        ]
    ):
        command = option(command)
    return command


@click.group("dead-letters", cls=Group)
def dead_letters() -> None:
    """List, inspect and redrive dead letters: events that could not be delivered."""


@dead_letters.command(
    "list",
    epilog=examples(
        "eventstreams dead-letters list --reason refused --after 2026-03-29T04:00:00Z",
        "eventstreams dead-letters list -o json | jq -r '.[].detail' | sort | uniq -c",
    ),
)
@_filters
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to show, newest first.")
@click.option("--router", is_flag=True, help="List events that the router could not read (operator only).")
@common
def list_dead_letters(url: str | None, output: str, limit: int, *, router: bool, **chosen: object) -> None:
    """List dead letters, newest first.

    With --router, list those that belong to no subscription: this needs EVENTSTREAMS_OPERATOR_TOKEN, and only accepts
    --reason, --after and --before.
    """
    listing = _OF_ROUTER if router else _OF_ACCOUNT
    fields = [*_chosen(chosen), ("PageSize", str(min(limit, int(PAGE))))]
    run(
        lambda api: all_of(api, listing.path, listing.key, fields, limit=limit),
        url,
        output,
        listing.columns,
        as_operator=router,
        none="none match" if fields[:-1] else "none: everything has been delivered, or is on its way",
    )


@dead_letters.command("show", epilog=examples("eventstreams dead-letters show webhook.0.1234"))
@click.argument("dead_letter", metavar="ID")
@common
def show_dead_letter(dead_letter: str, url: str | None, output: str) -> None:
    """Show a dead letter: why it died, the sink's last answer, and its data."""

    async def look(api: Remote) -> Answer:
        return await api.get(f"{_OF_ACCOUNT.path}/{named(dead_letter)}")

    told = ask(look, url)
    assert isinstance(told, dict)
    if output == "json":
        show_json(told)
        return
    show_one(told, _SHOWN)
    if told["data"] is not None:
        click.echo(f"\ndata\n{harmless_json(told['data'], indent=True)}")


@click.command(
    epilog=examples(
        "eventstreams redrive --subscription DF… --reason expired --after 2026-03-29T04:00:00Z",
        "eventstreams redrive --dead-letter webhook.0.1234 --yes",
    ),
)
@_filters
@click.option("--dead-letter", multiple=True, metavar="ID", help="Id of a dead letter, such as webhook.0.1234.")
@click.option(
    "--rate",
    type=click.IntRange(MIN_RATE, MAX_RATE),
    default=DEFAULT_RATE,
    show_default=True,
    help="Rate, in events per second.",
)
@yes_option
@common
def redrive(url: str | None, output: str, rate: int, *, yes: bool, **chosen: object) -> None:
    """Redrive dead letters to their subscriptions: show a preview, ask for confirmation, and follow the job.

    Ctrl-C ends the watching, not the job. With -o json the job is printed when it has ended, all else on stderr; where
    no dead letters are selected, the preview.
    """
    fields = [*_chosen(chosen), ("Rate", str(rate))]
    asyncio.run(_redrive(Settings.load(), url, fields, yes=yes, as_json=output == "json"))


dead_letters.add_command(redrive)


async def _redrive(settings: Settings, url: str | None, fields: Fields, *, yes: bool, as_json: bool) -> None:
    async with Remote(settings, url) as api:
        preview = await api.preview("/v1/Redrives/Preview", fields)
        click.echo(harmless(_told(preview)), err=as_json)
        if not preview["selected"]:
            if as_json:
                show_json(preview)
            return
        if not yes:
            click.confirm("Redrive them?", abort=True, err=as_json)
        job = await api.post("/v1/Redrives", fields)
        click.echo(harmless(str(job["sid"])), err=as_json)
        job = await _followed(api, job, expected=preview["redriven"])
        if as_json:
            show_json(job)
        else:
            click.echo(harmless(f"{job['status']}: {job['redriven']} redriven{_skipped(job)}"))
        if job["status"] == JobStatus.FAILED:
            raise ApiError(str(job["error_message"]))


async def _followed(api: Remote, job: Answer, *, expected: object) -> Answer:
    """Wait until ``job`` has ended, and return it. Shows a progress bar on a terminal."""
    shown = Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    )
    shown.disable = not shown.console.is_terminal
    with shown:
        task = shown.add_task("", total=_number(expected))
        while job["status"] not in FINISHED:
            await asyncio.sleep(_LOOK_S)
            job = await api.get(f"/v1/Redrives/{job['sid']}")
            shown.update(task, completed=_number(job["redriven"]))
    return job


def _number(told: object) -> int | None:
    return told if isinstance(told, int) else None


def _chosen(options: dict[str, object]) -> Fields:
    """The API's parameters for the options that were given."""
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


def _told(preview: Answer) -> str:
    if not preview["selected"]:
        return "no dead letters are selected"
    least = "" if preview["complete"] else "at least "
    return (
        f"{least}{preview['redriven']} events, {preview['oldest']} to {preview['newest']}, in "
        f"{preview['expected_minutes']} minutes at {preview['rate']} per second{_skipped(preview)}"
    )


def _skipped(answer: Answer) -> str:
    skipped = answer["skipped"]
    assert isinstance(skipped, dict)
    return "".join(f", {count} skipped: {reason}" for reason, count in skipped.items())
