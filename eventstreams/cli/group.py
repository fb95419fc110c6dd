"""Groups of commands that suggest names for a mistyped one."""

from difflib import get_close_matches

import click
from typing_extensions import override

_WHOLE = 1_000  # characters: no sentence is as long


def nearest(name: str, known: list[str]) -> str:
    """``" Did you mean …?"`` if some of ``known`` are similar to ``name``, otherwise an empty text."""
    near = get_close_matches(name, known)
    return f" Did you mean {' or '.join(near)}?" if near else ""


class Group(click.Group):
    """A ``click.Group`` that answers an unknown command name with similar ones."""

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List each command with its whole first sentence, which click would truncate at the end of the line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, each.get_short_help_str(_WHOLE)) for name, each in commands if each is not None and not each.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not (name.startswith("-") or ctx.resilient_parsing) and self.get_command(ctx, name) is None:
            ctx.fail(f"No such command {name!r}.{nearest(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)
