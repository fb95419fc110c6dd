"""``eventstreams api``."""

import sys

import click

from control_api.role import serve
from eventstreams.process import run_role
from eventstreams.settings import Settings


@click.command()
def api() -> None:
    """Run the control API: sinks and subscriptions, compatible with Twilio's Event Streams."""
    sys.exit(run_role("api", serve, Settings.load()))
