"""``eventstreams dead-letters`` and ``eventstreams redrive``: the API's dead letters on the command line."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeVar

import click

from control_api.commands.jobs import REDRIVE, rate_option, run_job
from control_api.commands.remote import Answer, Fields, Remote
from control_api.commands.run import PAGE, all_of, ask, common, named, run, show_json, show_one, yes_option
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import examples, harmless_json
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings


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
@rate_option
@yes_option
@common
def redrive(url: str | None, output: str, rate: int, *, yes: bool, **chosen: object) -> None:
    """Redrive dead letters to their subscriptions: show a preview, ask for confirmation, and follow the job.

    Ctrl-C ends the watching, not the job. With -o json the job is printed when it has ended, all else on stderr; where
    no dead letters are selected, the preview.
    """
    fields = [*_chosen(chosen), ("Rate", str(rate))]
    asyncio.run(run_job(Settings.load(), REDRIVE, url, fields, yes=yes, as_json=output == "json"))


dead_letters.add_command(redrive)


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
