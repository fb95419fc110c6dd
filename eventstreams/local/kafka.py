"""Prepares a local broker: finds Java, fetches the jars with a progress bar, formats the storage."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eventstreams.local.broker import LocalBroker
from eventstreams.local.class_archive import mapping
from eventstreams.local.jars import KAFKA, fetch_jars
from eventstreams.local.java import find_java

_OURS: Final = "eventstreams"


def default_cache() -> Path:
    """The folder for downloads, according to the XDG base directory specification."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / _OURS


def fetch_with_progress(cache: Path | None) -> Path:
    """Return the folder with Kafka's jars; if they must be downloaded, show a progress bar on stderr.

    Raises:
        PrerequisiteError: for the reasons of ``fetch_jars``.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with ExitStack() as stack:

        def begin(count: int, folder: Path) -> None:
            click.echo(f"{KAFKA}: downloading {count} jars into {folder}, once", err=True)
            stack.enter_context(bar)
            bar.add_task(KAFKA, total=count)

        return fetch_jars(cache or default_cache(), on_start=begin, on_jar=lambda: bar.advance(bar.task_ids[0]))


def make_broker(
    folder: Path,
    *,
    port: int,
    controller_port: int,
    cache: Path | None = None,
    properties: str = "",
    format_options: Sequence[str] = (),
    cluster: str | None = None,
    jvm: Sequence[str] = (),
) -> LocalBroker:
    """A broker that is ready to be started, with its data in ``folder``; for the last four see ``LocalBroker``.

    Raises:
        PrerequisiteError: there is no Java, Kafka cannot be downloaded, or its storage cannot be formatted.
    """
    java = find_java()
    jars = fetch_with_progress(cache)
    broker = LocalBroker(
        folder.absolute(),
        port=port,
        controller_port=controller_port,
        java=java,
        jars=jars,
        properties=properties,
        format_options=format_options,
        cluster=cluster,
        jvm=[*mapping(java, jars), *jvm],
    )
    broker.prepare()
    return broker
