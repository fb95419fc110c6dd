"""``eventstreams router``."""

import sys

import click

from eventstreams.process import run_role
from eventstreams.settings import Settings
from router.role import route


@click.command()
def router() -> None:
    """Run a router, which copies each event to the topic of every matching subscription. Scale by adding copies."""
    sys.exit(run_role("router", route, Settings.load()))
