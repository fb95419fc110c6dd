"""``eventstreams sample``: one made-up event to a sink, from a terminal."""

import asyncio
from urllib.parse import quote

import click

from control_api.remote import Answer, Remote
from eventstreams.settings import Settings


@click.command()
@click.argument("sink", metavar="DG…")
@click.argument("type_", metavar="TYPE")
@click.option("--schema-version", type=click.IntRange(1), help="In this version of its schema; default: the newest.")
@click.option("--url", help="Where the API is; default: EVENTSTREAMS_PUBLIC_URL, or this machine.")
def sample(sink: str, type_: str, schema_version: int | None, url: str | None) -> None:
    """Send one event of TYPE to a sink, with the data of its schema's example, and print its id.

    It is delivered as all events are, and nobody needs to have subscribed it. Its source is "Sample".
    """
    fields = [("Type", type_)] if schema_version is None else [("Type", type_), ("SchemaVersion", str(schema_version))]
    told = asyncio.run(_send(Settings.load(), url, f"/v1/Sinks/{quote(sink, safe='')}/Samples", fields))
    click.echo(str(told["event_id"]))


async def _send(settings: Settings, url: str | None, path: str, fields: list[tuple[str, str]]) -> Answer:
    async with Remote(settings, url) as api:
        return await api.post(path, fields)
