"""The code blocks of a page of the documentation."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FILE = re.compile(r"`([^`]+)`(, in part)?:")


@dataclass(frozen=True)
class Block:
    """One code block, and the file that the line before it names, if it does."""

    language: str
    text: str
    file: str | None
    is_part: bool


def blocks_of(page: Path) -> Sequence[Block]:
    """Every block of ``page``, in order."""
    return list(_read(iter(page.read_text().splitlines())))


def _read(lines: Iterator[str]) -> Iterator[Block]:
    before = ""
    for line in lines:
        if line.startswith("```"):
            text = "\n".join(iter(lambda: next(lines), "```"))
            named = _FILE.fullmatch(before)
            yield Block(line.removeprefix("```"), text, named and named[1], bool(named and named[2]))
        elif line:
            before = line
