"""The command line. Every command comes in by the entry-point group ``eventstreams.commands``."""

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final

import click
from typing_extensions import override

from eventstreams import __version__
from eventstreams.control.vault import new_key
from eventstreams.errors import EventStreamsError, PluginError

GROUP: Final = "eventstreams.commands"


class _LazyGroup(click.Group):
    """Loads a command when it is asked for: a role starts without importing the others."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(entry.name for entry in entry_points(group=GROUP))})

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if found := super().get_command(ctx, cmd_name):
            return found
        for entry in entry_points(group=GROUP, name=cmd_name):
            command = entry.load()
            if not isinstance(command, click.Command):
                raise PluginError(f"command {cmd_name!r} of {entry.value} is no click command")
            return command
        return None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="eventstreams")
def eventstreams() -> None:
    """Product events from Kafka to your customers' sinks, at least once, for up to four hours.

    Settings come from EVENTSTREAMS_* variables; docs/settings.md lists them. To see it all at work on this
    machine: eventstreams up
    """


@eventstreams.command("new-key")
def new_key_command() -> None:
    """Print a new EVENTSTREAMS_SECRET_KEY, for the encryption of secrets at rest."""
    click.echo(new_key())


def main() -> None:
    """Run the command line; errors that a person can mend are one sentence, never a traceback."""
    run(eventstreams)


def run(command: Callable[[], object]) -> None:
    try:
        command()
    except EventStreamsError as error:
        click.echo(f"eventstreams: {error}", err=True)
        sys.exit(error.exit_code)
