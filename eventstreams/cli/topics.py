"""``eventstreams topics``: creates topics before roles start, as a separate job."""

import asyncio
from collections.abc import Sequence

import click

from eventstreams.cli.group import Group
from eventstreams.cli.terminal import harmless
from eventstreams.errors import PluginError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.sinks.registry import installed_sink_types
from eventstreams.topics import Topics, TopicSpec


@click.group(cls=Group)
def topics() -> None:
    """The topics of this installation."""


@topics.command()
@click.argument("sink_types", nargs=-1, metavar="[TYPE]...")
def create(sink_types: tuple[str, ...]) -> None:
    """Create missing topics and list them; add partitions to topics that have too few.

    Every role also does this for its own topics when it starts; this command is for a job that runs before them. TYPE
    is a sink type to create topics for, such as webhook; default: all installed types.
    """
    installed = installed_sink_types()
    for sink_type in sink_types:
        if sink_type not in installed:
            raise PluginError(f"no sink plugin {sink_type!r} is installed; available: {', '.join(installed)}")
    for line in asyncio.run(create_topics(Settings.load(), sink_types or installed)):
        click.echo(harmless(line))


async def create_topics(settings: Settings, sink_types: Sequence[str]) -> Sequence[str]:
    """Create the topics that every installation has and those of workers of ``sink_types``; returns a line for each.

    Raises:
        BrokerUnreachableError: no broker answered.
        TopicError: Kafka refused.
    """
    admin, named = KafkaAdmin(settings), Topics(settings)
    await admin.wait_for_broker()
    there = await admin.topics()
    of_workers = [spec for sink_type in sink_types for spec in named.worker_specs(sink_type)]
    specs = [*named.base_specs(), *of_workers]
    await admin.ensure(specs)
    await admin.grow(of_workers)  # as their workers would
    return [f"{_what(there.get(spec.name), spec, may_grow=spec in of_workers)} {spec.name}" for spec in specs]


def _what(before: int | None, spec: TopicSpec, *, may_grow: bool) -> str:
    if before is None:
        return "created"
    return f"grown from {before} to {spec.partitions} partitions" if may_grow and before < spec.partitions else "exists"
