"""``eventstreams up`` and ``eventstreams fetch-kafka``."""

import asyncio
from pathlib import Path

import click

from eventstreams.local.class_archive import make_archive
from eventstreams.local.java import find_java
from eventstreams.local.kafka import fetch_with_progress
from eventstreams.local.ports import LOOPBACK
from eventstreams.local.state import data_folder
from eventstreams.local.up import DEFAULT_PORT, MOST_WORKERS, Options
from eventstreams.local.up import up as run_up
from eventstreams.settings import Settings


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".eventstreams"),
    show_default=True,
    help="Folder for everything that is kept: Kafka's data, the first account, the logs.",
)
@click.option(
    "--kafka",
    metavar="HOST:PORT",
    envvar="EVENTSTREAMS_KAFKA",
    help="Use this Kafka instead of starting a broker.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port of the API; 0 picks a free one.",
)
@click.option("--host", default=LOOPBACK, show_default=True, help="Address on which the API and gateway listen.")
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=1,
    show_default=True,
    help="Worker processes of each sink type. They share its subscriptions, and one that has several partitions.",
)
def up(data_dir: Path, kafka: str | None, port: int, host: str, workers: int) -> None:
    """Run the whole system on this machine: Kafka, API, router, webhook worker, gateway. Ctrl-C stops it.

    Workers for other installed sink types start when the first sink of their type is created.

    Sinks may not reach this machine's own networks unless EVENTSTREAMS_ALLOWED_DESTINATIONS lists them, such as
    127.0.0.0/8.
    """
    with data_folder(data_dir) as folder:
        asyncio.run(run_up(Options(data_dir, host, port, kafka, workers), folder, say=click.echo))


@click.command("fetch-kafka")
def fetch_kafka() -> None:
    """Download the parts of Apache Kafka that `eventstreams up` needs, so that it starts without a network, and in half
    the time.

    Runs a broker once for a few seconds, and keeps Java's archive of the classes that it loaded.
    """
    java = find_java()
    jars = fetch_with_progress(Settings.load().cache_dir)
    make_archive(java, jars)
    click.echo(jars)
