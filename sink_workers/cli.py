"""``eventstreams worker TYPE``."""

import sys

import click

from eventstreams.process import run_role
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from sink_workers.role import worker_for


@click.command()
@click.argument("sink_type", metavar="TYPE")
def worker(sink_type: str) -> None:
    """Run a worker that delivers to all sinks of TYPE, such as webhook. Scale by adding copies."""
    sys.exit(run_role(f"worker-{sink_type}", worker_for(load_plugin(sink_type)), Settings.load()))
