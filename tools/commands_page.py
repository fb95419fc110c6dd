"""Writes ``docs/commands.md``: every command with its arguments and options, as ``--help`` shows them."""

import re
from collections.abc import Iterator
from typing import Final

import click

from eventstreams.cli.main import eventstreams

_HEAD: Final = """\
<!-- Written by `make docs` from the code: change it there. -->
# Commands

This page lists every command of `eventstreams` with its arguments and options, as `--help` shows them.
For how to use them together, see [The command line](command-line.md).
"""
_EXAMPLE: Final = re.compile(r"^ *(eventstreams .*?)(?: {2,}(\S.*))?$", re.MULTILINE)
_HELP: Final = "--help"


def commands_page() -> str:
    """The page of all commands; those of a group come after it."""
    with click.Context(eventstreams, info_name="eventstreams") as context:
        return "\n".join([_HEAD, *_options(context), *_subcommands(context)])


def _subcommands(context: click.Context) -> Iterator[str]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if not command.hidden:
            with click.Context(command, info_name=name, parent=context) as inner:
                yield from _command(inner)


def _command(context: click.Context) -> Iterator[str]:
    command, path = context.command, context.command_path
    yield f"## {path}\n"
    yield f"`{path} {' '.join(command.collect_usage_pieces(context))}`\n"
    yield from (
        f"{' '.join(each.split())}\n"
        for each in re.split(r"\n\s*\n", (command.help or "").replace("\b", ""))
        if each.strip()
    )
    yield from _options(context)
    if command.epilog:
        lines = [f"{example}   # {said}" if said else example for example, said in _EXAMPLE.findall(command.epilog)]
        yield "\n".join(["```sh", *lines, "```", ""])
    if isinstance(command, click.Group):
        yield from _subcommands(context)


def _options(context: click.Context) -> Iterator[str]:
    records = [each.get_help_record(context) for each in context.command.get_params(context)]
    rows = [
        f"| `{_cell(names)}` | {_cell(said)} |"
        for names, said in (each for each in records if each)
        if _HELP not in names
    ]
    if rows:
        yield "\n".join(["| option | |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
