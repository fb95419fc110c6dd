"""``eventstreams completion``: what a shell needs to complete our commands and options."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from eventstreams.cli.terminal import examples

_VARIABLE: Final = "_EVENTSTREAMS_COMPLETE"


@click.command(
    epilog=examples(
        'eval "$(eventstreams completion bash)"          in ~/.bashrc',
        'eval "$(eventstreams completion zsh)"           in ~/.zshrc',
        "eventstreams completion fish > ~/.config/fish/completions/eventstreams.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(click.Group(), {}, "eventstreams", _VARIABLE).source())
