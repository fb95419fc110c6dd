"""``eventstreams sizing``."""

import math
from dataclasses import asdict
from typing import Final

import click

from eventstreams.cli.terminal import examples, harmless_json
from eventstreams.sizing.model import Load, size

_MOST: Final = 1e9


@click.command(
    epilog=examples(
        "eventstreams sizing --events-per-second 1000 --subscriptions 500 --fan-out 2",
        "eventstreams sizing --events-per-second 20000 --subscriptions 3000 --fan-out 1 --batch 100 -o json",
    )
)
@click.option("--events-per-second", type=click.FloatRange(0, _MOST), required=True, help="Events per second at peak.")
@click.option(
    "--subscriptions", type=click.IntRange(1, 10_000_000), required=True, help="Subscriptions, across all accounts."
)
@click.option(
    "--fan-out",
    type=click.FloatRange(0, _MOST),
    default=1,
    show_default=True,
    help="How many subscriptions an event matches, on average.",
)
@click.option(
    "--receiver-ms",
    type=click.FloatRange(0, 60_000),
    default=200,
    show_default=True,
    help="Response time of a receiver, in milliseconds.",
)
@click.option(
    "--event-bytes",
    type=click.IntRange(1, 1 << 20),
    default=500,
    show_default=True,
    help="Size of an event in Avro, in bytes.",
)
@click.option(
    "--batch", type=click.IntRange(1, 100), default=1, show_default=True, help="Events per request to a receiver."
)
@click.option(
    "--sink-types",
    type=click.IntRange(1, 40),
    default=1,
    show_default=True,
    help="Number of sink types that have workers.",
)
@click.option(
    "--replicas", type=click.IntRange(1, 10), default=3, show_default=True, help="Replication factor of the topics."
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: one object.")
def sizing(
    *,
    events_per_second: float,
    subscriptions: int,
    fan_out: float,
    receiver_ms: float,
    event_bytes: int,
    batch: int,
    sink_types: int,
    replicas: int,
    output: str,
) -> None:
    """Estimate how many brokers, partitions and processes a load needs, and show the figures behind it.

    This is a first estimate, based on measurements on one machine: docs/sizing.md explains the calculation and its
    limits. It connects to nothing and needs no settings.
    """
    if not all(map(math.isfinite, (events_per_second, fan_out, receiver_ms))):
        raise click.UsageError("all options must be numbers, not nan")
    load = Load(
        events_per_s=events_per_second,
        subscriptions=subscriptions,
        fan_out=fan_out,
        receiver_ms=receiver_ms,
        event_bytes=event_bytes,
        batch=batch,
        sink_types=sink_types,
        replicas=replicas,
    )
    found = size(load)
    if output == "json":
        click.echo(harmless_json({"load": asdict(load), **asdict(found)}, indent=True))
        return
    for need in found.needs:
        memory = f"{need.mib:,} MiB each" if need.mib else ""
        click.echo(f"{need.processes:>6} {need.role:<9} {memory:>15}  {need.because}")
    click.echo(
        f"{found.partitions:>6} partitions                {found.subscription_partitions} per subscription, "
        f"{found.events_partitions} for the events topic"
    )
    click.echo(f"{found.disk_gib:>6} GiB of disk               across all brokers, including replicas, uncompressed")
    for each in found.warnings:
        click.echo(f"warning: {each}")
