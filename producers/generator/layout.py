"""Lays out Python source like ``ruff format``, so that generating modules needs no formatter. Pure."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

WIDTH: Final = 120
_INDENT: Final = "    "


def text(value: str) -> str:
    """``value`` as a string literal in double quotes, unless it contains some."""
    shown = repr(value)
    return shown if '"' in value else f'"{shown[1:-1]}"' if "'" not in value else shown


def indented(lines: Iterable[str], depth: int = 1) -> Iterator[str]:
    return (_INDENT * depth + line if line else "" for line in lines)


def docstring(*paragraphs: str, depth: int = 1) -> list[str]:
    """The unindented lines of a docstring that will be indented ``depth`` times."""
    width = WIDTH - depth * len(_INDENT)
    escaped = [" ".join(each.split()).replace("\\", "\\\\").replace('"""', '\\"\\"\\"') for each in paragraphs]
    only = escaped[0] + " " * escaped[0].endswith('"')
    if len(escaped) == 1 and len(only) + 6 <= width:
        return [f'"""{only}"""']
    if len(escaped) == 1:
        width -= 2 * len('"""')  # leave no text that ruff would put on one line
    lines: list[str] = []
    for each in escaped:
        lines += ["", *_wrapped(each if lines else f'"""{each}', width)]
    return [*lines[1:], '"""']


def _wrapped(paragraph: str, width: int) -> list[str]:
    return textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False)


def bracketed(begin: str, items: Sequence[str], end: str, *, depth: int = 0) -> list[str]:
    """``begin``, ``items`` with commas, ``end``: on one line if that fits, or each item on its own."""
    line = f"{begin}{', '.join(items)}{end}"
    if len(line) + depth * len(_INDENT) <= WIDTH:
        return [line]
    return [begin, *(f"{_INDENT}{item}," for item in items), end]
