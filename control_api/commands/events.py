"""``eventstreams events``: shows what became of one event, and replays those of a time."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import click
from rich.text import Text

from control_api.commands.jobs import REPLAY, rate_option, run_job
from control_api.commands.remote import Answer, Fields, Remote
from control_api.commands.run import (
    all_of,
    ask,
    cell,
    common,
    console,
    named,
    show_json,
    show_line,
    show_one,
    yes_option,
)
from control_api.overdue import WORDS, is_overdue
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import examples
from eventstreams.settings import Settings

_MOST: Final = 500  # an event that ten subscriptions retry for four hours has fewer


@click.group(cls=Group)
def events() -> None:
    """Find events, and replay them."""


@events.command(
    epilog=examples(
        "eventstreams events where EZ8f3c…",
        "eventstreams events where EZ8f3c… -o json | jq '.event.deliveries[].state'",
    )
)
@click.argument("event_id", metavar="ID")
@common
def where(event_id: str, url: str | None, output: str) -> None:
    """Show where an event is for each subscription, every attempt and its answer, and when it is tried next.

    This comes from the delivery log, in which an attempt appears a fifth of a second after it was settled, or a second
    under load.
    """

    async def look(api: Remote) -> Answer:
        event = await api.get(f"/v1/Events/{named(event_id)}")
        fields = [("EventId", event_id), ("PageSize", str(_MOST))]
        attempts = await all_of(api, "/v1/Attempts", "attempts", fields, limit=_MOST)
        return {"event": event, "attempts": attempts[::-1]}

    told = ask(look, url)
    assert isinstance(told, dict)
    if output == "json":
        show_json(told)
    else:
        _show(told["event"], told["attempts"], datetime.now(UTC))


@events.command(
    epilog=examples(
        "eventstreams events replay --subscription DF… --after 2026-03-29T04:00:00Z --before 2026-03-29T05:00:00Z",
        "eventstreams events replay --subscription DF… --after 2026-03-29T04:00:00Z --event-id EZ8f3c… --yes",
    )
)
@click.option("--subscription", required=True, metavar="DF…", help="The subscription that gets them.")
@click.option("--after", required=True, metavar="TIME", help="Accepted at this time or later: 2026-03-29T04:00:00Z.")
@click.option("--before", metavar="TIME", help="Accepted before this time; default: now.")
@click.option("--type", "types", multiple=True, help="Only those of this event type.")
@click.option("--event-id", "ids", multiple=True, help="Only this event.")
@click.option("--filter", "expression", metavar="CEL", help="Only those for which this expression is true.")
@rate_option
@yes_option
@common
def replay(
    *,
    url: str | None,
    output: str,
    subscription: str,
    after: str,
    before: str | None,
    types: Sequence[str],
    ids: Sequence[str],
    expression: str | None,
    rate: int,
    yes: bool,
) -> None:
    """Replay accepted events to a subscription: show a preview, ask for confirmation, and follow the job.

    The subscription gets all events of its types that were accepted in that time, including those that it has already
    had and those from before it was created. Ctrl-C ends the watching, not the job.
    """
    once = {"SubscriptionSid": subscription, "After": after, "Before": before, "Filter": expression, "Rate": str(rate)}
    fields: Fields = [
        *((name, value) for name, value in once.items() if value is not None),
        *(("Type", each) for each in types),
        *(("EventId", each) for each in ids),
    ]
    asyncio.run(run_job(Settings.load(), REPLAY, url, fields, yes=yes, as_json=output == "json"))


def _show(event: Answer, attempts: Sequence[Answer], now: datetime) -> None:
    deliveries, lag = event["deliveries"], event["lag"]
    assert isinstance(deliveries, list)
    show_one(event, ("id", "type", "account_sid", "time", "accepted_at"))
    if event["topic"] is not None:
        show_line("accepted on", _place(event))
    if isinstance(lag, Mapping) and lag.get("records"):
        show_line("delivery log lag", f"{lag['records']} records have not been read yet")
    for each in deliveries:
        click.echo()
        _line(0, "subscription ", each["subscription_sid"], " at sink ", each["sink_sid"], ": ", each["state"])
        _show_attempts([one for one in attempts if one["subscription_sid"] == each["subscription_sid"]])
        if each["next_try_at"] is not None:
            if is_overdue(str(each["next_try_at"]), now):
                _line(2, "next try was due at ", each["next_try_at"], f": {WORDS}")
            else:
                _line(2, "next try at ", each["next_try_at"])
        if each["deadline"] is not None:
            _line(2, "deadline ", each["deadline"])
        if each["paused"]:
            _line(2, "paused")
        if each["topic"] is not None:
            _line(2, "on ", _place(each))
    there = {each["subscription_sid"] for each in deliveries}
    others = [each for each in attempts if each["subscription_sid"] not in there]
    if others:
        click.echo("\nmatched by no current subscription")
        _show_attempts(others)
    if len(attempts) == _MOST:
        click.echo(f"only the newest {_MOST} attempts are shown; there may be more", err=True)


def _show_attempts(attempts: Sequence[Answer]) -> None:
    for each in attempts:
        words = [each[name] for name in ("status", "reason", "detail") if each[name] is not None]
        took = [] if each["duration_ms"] is None else [f"{each['duration_ms']} ms"]
        number = [f"#{each['attempt']}"] if each["attempt"] else []  # a redrive is none, nor is a death without one
        parts = [each["began_at"], *number, each["outcome"], *took, *words]
        _line(2, *chain.from_iterable((part, "  ") for part in parts))
        if each["answer"]:
            _line(6, "answered ", each["answer"])


def _line(indent: int, *parts: object) -> None:
    """Print a line of ``parts``, each in its colour."""
    line = Text(" " * indent)
    for part in parts:
        line.append(cell(part))
    console().print(line, soft_wrap=True)


def _place(told: Answer) -> str:
    """``topic/partition/offset``, as far as known."""
    return "/".join(str(told[name]) for name in ("topic", "partition", "offset") if told[name] is not None)
