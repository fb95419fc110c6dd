"""``eventstreams types``: the event types by product, and their schemas."""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Final
from urllib.parse import urlsplit

import click
from rich.text import Text
from typing_extensions import override

from control_api.commands.remote import Answer, Remote
from control_api.commands.run import PAGE, all_of, ask, common, console, named, show_json, show_one, show_table
from eventstreams.cli.group import nearest
from eventstreams.cli.terminal import examples, harmless, harmless_json
from eventstreams.client import ApiError

_COLUMNS: Final = ("type", "status", "description")
_SHOWN: Final = ("type", "description", "status", "schema_id", "documentation_url")
_HELP: Final = ("-h", "--help")
_LIST: Final = "list"


class _Listing(click.Group):
    """A group for which ``types`` alone and ``types SEARCH`` mean ``types list``."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_named = bool(args) and (args[0] in self.commands or args[0] in _HELP)
        return super().parse_args(ctx, args if is_named or ctx.resilient_parsing else [_LIST, *args])


@click.group(
    cls=_Listing,
    epilog=examples(
        "eventstreams types messaging",
        "eventstreams types show com.twilio.messaging.message.sent",
    ),
)
def types() -> None:
    """List event types, by product, or show one: eventstreams types [SEARCH]."""


@types.command(_LIST)
@click.argument("search", required=False)
@common
def list_types(search: str | None, url: str | None, output: str) -> None:
    """List event types by product. SEARCH is part of a name, a description or a product."""
    found = ask(lambda api: all_of(api, "/v1/Types", "types", [("PageSize", PAGE)]), url)
    assert isinstance(found, list)
    chosen = matching(found, search or "")
    if output == "json":
        show_json(chosen)
        return
    for product, of_product in groupby(chosen, key=_product):
        console().print(Text(harmless(product), style="bold"))
        show_table(list(of_product), _COLUMNS)
        click.echo()
    if not chosen:
        click.echo("none", err=True)


@types.command("show")
@click.argument("type_", metavar="TYPE")
@common
def show_type(type_: str, url: str | None, output: str) -> None:
    """Show an event type: its schema's versions, and an example of its data in the newest one."""

    async def look(api: Remote) -> Answer:
        if unknown := await unknown_type(api, type_):
            raise ApiError(unknown)
        found = await api.get(f"/v1/Types/{named(type_)}")
        path = f"/v1/Schemas/{named(str(found['schema_id']))}/Versions"
        versions = await all_of(api, path, "schema_versions", [("PageSize", PAGE)])
        document = await api.get(urlsplit(str(versions[-1]["raw"])).path, [("Type", type_)])
        examples = document.get("examples")
        return {**found, "versions": versions, "example": examples[0] if isinstance(examples, list) else None}

    told = ask(look, url)
    assert isinstance(told, dict)
    if output == "json":
        show_json(told)
        return
    show_one(told, _SHOWN)
    click.echo("\nschema versions")
    show_table(told["versions"], ("schema_version", "date_created", "raw"))
    if told["example"] is not None:
        click.echo(f"\nexample\n{harmless_json(told['example'], indent=True)}")


async def unknown_type(api: Remote, name: str) -> str | None:
    """None if there is an event type ``name``; else a sentence that says so and suggests similar ones."""
    try:
        await api.get(f"/v1/Types/{named(name)}")
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        known = [str(each["type"]) for each in await all_of(api, "/v1/Types", "types", [("PageSize", PAGE)])]
        return f"there is no event type {name}.{nearest(name, known)} `eventstreams types` lists them all"
    return None


def matching(found: Sequence[Answer], search: str) -> Sequence[Answer]:
    """Those of ``found`` with ``search`` in their name, description or schema, sorted by product and name."""
    wanted = search.casefold()
    words = ("type", "description", "schema_id")
    chosen = [each for each in found if any(wanted in str(each[name]).casefold() for name in words)]
    return sorted(chosen, key=lambda each: (_product(each), str(each["type"])))


def _product(event_type: Answer) -> str:
    """The product, which is the first part of the schema's name."""
    return str(event_type["schema_id"]).partition(".")[0]
