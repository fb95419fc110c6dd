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
@click.option(
    "--events-per-second", type=click.FloatRange(0, _MOST), required=True, help="Events a second in the busiest hours."
)
@click.option(
    "--subscriptions", type=click.IntRange(1, 10_000_000), required=True, help="Subscriptions of all accounts."
)
@click.option(
    "--fan-out",
    type=click.FloatRange(0, _MOST),
    default=1,
    show_default=True,
    help="Subscriptions that an event matches, on average.",
)
@click.option(
    "--receiver-ms",
    type=click.FloatRange(0, 60_000),
    default=200,
    show_default=True,
    help="Milliseconds until a receiver answers.",
)
@click.option(
    "--event-bytes", type=click.IntRange(1, 1 << 20), default=500, show_default=True, help="Bytes of an event as Avro."
)
@click.option(
    "--batch", type=click.IntRange(1, 100), default=1, show_default=True, help="Events in one request to a receiver."
)
@click.option(
    "--sink-types", type=click.IntRange(1, 40), default=1, show_default=True, help="Sink types that have workers."
)
@click.option("--replicas", type=click.IntRange(1, 10), default=3, show_default=True, help="Copies of each topic.")
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
    """Say how many brokers, partitions and processes a load needs, and from which figures that is.

    A first guess, from what was measured on one machine: docs/sizing.md says how it is calculated, and what it leaves
    out. Looks at nothing and needs no settings.
    """
    if not all(map(math.isfinite, (events_per_second, fan_out, receiver_ms))):
        raise click.UsageError("give numbers: nan is none")
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
        f"{found.partitions:>6} partitions                {found.subscription_partitions} of each subscription, "
        f"{found.events_partitions} of the events topic"
    )
    click.echo(f"{found.disk_gib:>6} GiB of disk               of all brokers together, copies counted, uncompressed")
    for each in found.warnings:
        click.echo(f"warning: {each}")
