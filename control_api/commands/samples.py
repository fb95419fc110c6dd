"""``eventstreams sample``: sends a sample event to a sink."""

from collections.abc import Mapping

import click

from control_api.commands.run import ask, common, named, show_json
from eventstreams.cli.terminal import examples, harmless


@click.command(epilog=examples("eventstreams sample DG… com.twilio.messaging.message.sent"))
@click.argument("sink", metavar="DG…")
@click.argument("type_", metavar="TYPE")
@click.option("--schema-version", type=click.IntRange(1), help="Schema version of the event; default: the newest.")
@common
def sample(sink: str, type_: str, schema_version: int | None, url: str | None, output: str) -> None:
    """Send one event of TYPE to a sink, with the data of its schema's example, and print its id.

    It is delivered like any other event, and needs no subscription. Its source is "Sample".
    """
    fields = [("Type", type_)] if schema_version is None else [("Type", type_), ("SchemaVersion", str(schema_version))]
    told = ask(lambda api: api.post(f"/v1/Sinks/{named(sink)}/Samples", fields), url)
    assert isinstance(told, Mapping)
    if output == "json":
        show_json(told)
    else:
        click.echo(harmless(str(told["event_id"])))
