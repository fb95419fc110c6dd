"""``eventstreams new-key``."""

import click

from eventstreams.control.vault import new_key


@click.command("new-key")
def new_key_command() -> None:
    """Print a new EVENTSTREAMS_SECRET_KEY for encrypting secrets at rest."""
    click.echo(new_key())
