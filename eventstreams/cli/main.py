"""The command line. Every command is found through the entry-point group ``eventstreams.commands``."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from click.shell_completion import CompletionItem
from typing_extensions import override

from eventstreams import __version__
from eventstreams.cli.command_list import SECTIONS, SUMMARIES
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import harmless_lines
from eventstreams.errors import EventStreamsError, PluginError
from eventstreams.installed import entry_points

GROUP: Final = "eventstreams.commands"
INTERRUPTED: Final = 130  # as in shells, for a program ended by SIGINT
_PROFILE: Final = "EVENTSTREAMS_PROFILE"  # not imported from the settings, as that is slow


@contextmanager
def collecting_no_imports() -> Iterator[None]:
    """Exempt what is imported here from garbage collection, for good.

    Modules are never garbage, but Python would search them for it again and again as they are loaded, and once more
    when the process ends: a fifth of the CPU that a short command takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


class _LazyGroup(Group):
    """Loads commands on demand, so that starting a role, or listing all commands, does not import the others."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(entry.name for entry in entry_points(group=GROUP))})

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if found := super().get_command(ctx, cmd_name):
            return found
        for entry in entry_points(group=GROUP, name=cmd_name):
            with collecting_no_imports():
                command = entry.load()
            if not isinstance(command, click.Command):
                raise PluginError(f"command {cmd_name!r} of {entry.value} is not a click command")
            return command
        return None

    @override
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # no message: the user knows that Ctrl-C was pressed
            ctx.exit(INTERRUPTED)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        others = {name: self._summary(ctx, name) for name in names if name not in SUMMARIES}
        width = max(len(name) for name in names)
        for title, section in {**SECTIONS, "From plugins": others}.items():
            if rows := [(name.ljust(width), said) for name, said in section.items() if name in names]:
                with formatter.section(title):
                    formatter.write_dl(rows)

    @override
    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self._summary(ctx, name)) for name in names]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in SUMMARIES:
            return SUMMARIES[name]
        command = self.get_command(ctx, name)
        return "" if command is None else command.get_short_help_str()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="eventstreams")
@click.option("--profile", metavar="NAME", help="Profile to use; see `eventstreams profiles`.")
def eventstreams(profile: str | None) -> None:
    """Deliver product events from Kafka to your customers' sinks, at least once, retrying for up to four hours.

    Settings are EVENTSTREAMS_* environment variables; docs/settings.md lists them. To try everything on this machine,
    run: eventstreams up
    """
    if profile is not None:
        os.environ[_PROFILE] = profile  # as if the variable had been set, since commands load the settings


def main() -> None:
    """Run the command line; errors that a person can fix are printed as one sentence, never as a traceback."""
    run(eventstreams)


def run(command: Callable[[], object]) -> None:
    try:
        command()
    except EventStreamsError as error:
        click.echo(f"eventstreams: {harmless_lines(str(error))}", err=True)
        sys.exit(error.exit_code)
