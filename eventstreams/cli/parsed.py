"""Options and arguments of commands that are parsed by a function."""

from collections.abc import Callable

import click
from typing_extensions import override


class Parsed(click.ParamType):
    """A parameter that is parsed by ``parse``, whose ``ValueError`` is shown to the user."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        """``name``: what help texts show for a value, such as ``URL``."""
        self.name = name
        self._parse = parse

    @override
    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        except OverflowError:
            self.fail(f"{value!r} is too large", param, ctx)
