"""``eventstreams orphans``: lists an installation's topics, and removes those that belong to nothing."""

from typing import Final

import click

from control_api.commands.remote import Answer, Remote
from control_api.commands.run import PAGE, all_of, common, given, named, run
from eventstreams.cli.group import Group
from eventstreams.client.errors import ApiError
from eventstreams.topics import TopicKind

_PATH: Final = "/operator/v1/Topics"
_COLUMNS: Final = ("name", "kind", "account_sid", "partitions", "orphaned", "records")


@click.group(cls=Group)
def orphans() -> None:
    """Find topics without a subscription or sink type, and remove them. Needs EVENTSTREAMS_OPERATOR_TOKEN."""


@orphans.command("list")
@click.option("--kind", type=click.Choice([each.value for each in TopicKind]), help="Only topics of this kind.")
@click.option("--all", "every", is_flag=True, help="List all topics of this installation.")
@common
def list_topics(kind: str | None, url: str | None, output: str, *, every: bool) -> None:
    """List topics without a subscription or sink type, by name; removes nothing."""
    fields = [("PageSize", PAGE), *given(Kind=kind, Orphaned=None if every else "true")]
    run(lambda api: all_of(api, _PATH, "topics", fields), url, output, _COLUMNS)


@orphans.command()
@click.argument("names", metavar="NAME", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@common
def remove(names: tuple[str, ...], url: str | None, output: str, *, yes: bool) -> None:
    """Remove topics without a subscription or sink type that hold no record. One that is refused keeps no other."""
    if not yes:
        click.confirm(f"Remove {len(names)} topics permanently?", abort=True, err=True)

    refused: dict[str, ApiError] = {}

    async def remove_all(api: Remote) -> list[Answer]:
        for name in names:
            try:
                await api.delete(f"{_PATH}/{named(name)}")
            except ApiError as error:
                refused[name] = error
        return [{"name": name, "removed": name not in refused} for name in names]

    run(remove_all, url, output, ("name", "removed"))
    if refused:
        *others, last = refused.items()
        for name, error in others:
            click.echo(f"{name}: {error}", err=True)
        raise last[1]
