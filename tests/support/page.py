"""The code blocks of a documentation page."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_FILE: Final = re.compile(r"`([^`]+)`(, in part)?:")
_NOTE: Final = re.compile(r"<!-- (.+) -->")
_MARKDOWN: Final = MarkdownIt("commonmark").disable("inline")  # code blocks are never within a line


@dataclass(frozen=True)
class Block:
    """One code block.

    Attributes:
        line: Line of its opening fence, from 1.
        file: File that the line before it names, if any.
        note: Text of a comment right above it.
    """

    page: Path
    line: int
    language: str
    text: str
    file: str | None
    is_part: bool
    note: str | None

    def noted(self, what: str) -> str:
        """Return what the comment says after ``what``; empty if it does not begin with that."""
        note = self.note or ""
        return note.removeprefix(what) if note.startswith(what) else ""


def blocks_of(page: Path) -> Sequence[Block]:
    """Return every block of ``page``, in order, including those in lists."""
    text = page.read_text("utf-8")
    fences = (each for each in _MARKDOWN.parse(text) if each.type == "fence")
    return [_block(page, each, text.splitlines()) for each in fences]


def shown(page: Path, words: str) -> str:
    """Return the only block of ``page`` that contains ``words``."""
    found = [each.text for each in blocks_of(page) if words in each.text]
    assert len(found) == 1, f"{page}: {len(found)} blocks have {words!r} in them"
    return found[0]


def typed(page: Path, words: str) -> str:
    """Return the only line in the blocks of ``page`` that contains ``words``, without a trailing comment."""
    lines = [line for block in blocks_of(page) for line in block.text.splitlines() if words in line]
    assert len(lines) == 1, f"{page}: {len(lines)} lines of its blocks have {words!r} in them"
    return re.sub(r"\s+# .*", "", lines[0])


def _block(page: Path, fence: Token, lines: Sequence[str]) -> Block:
    assert fence.map is not None
    start = fence.map[0]
    above = _above(lines[:start])
    before = next(above, "")
    noted = _NOTE.fullmatch(before)
    named = _FILE.fullmatch(next(above, "") if noted else before)
    return Block(
        page=page,
        line=start + 1,
        language=fence.info.strip(),
        text=fence.content.removesuffix("\n"),
        file=named and named[1],
        is_part=bool(named and named[2]),
        note=noted and noted[1],
    )


def _above(lines: Sequence[str]) -> Iterator[str]:
    """Yield the non-empty lines before it, nearest first."""
    return (line.strip() for line in reversed(lines) if line.strip())
