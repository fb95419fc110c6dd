"""How each code block of the documentation is checked.

A test executes it (``EXECUTED``), and it is checked by its kind as well; or a comment right above says why it cannot be
executed: ``<!-- not run: a drawing -->``. For YAML a comment may say what it is a part of: ``<!-- checked as: values of
the chart -->``; for JSON, which object of the API it is.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from tests.support.executed import EXECUTED
from tests.support.page import Block, blocks_of
from tests.support.shell import commands_of
from tests.support.snippet_kinds import CHECKED_AS, CHECKS, PARTS, ROOT, answers

PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_NOT_RUN: Final = "not run: "


class Fate(StrEnum):
    """How a block is checked."""

    EXECUTED = "executed"
    MARKED = "marked"


def blocks() -> Sequence[Block]:
    """Every block of every page."""
    return [block for page in PAGES for block in blocks_of(page)]


def fate_of(block: Block) -> Fate | None:
    """Return how ``block`` is checked; None if no test checks it, which is not allowed."""
    if any(each.takes(block) for each in EXECUTED):
        return Fate.EXECUTED
    return Fate.MARKED if block.noted(_NOT_RUN) else None


def wrong_with(block: Block) -> Sequence[str]:
    """Return what is wrong with it, judged by its kind."""
    if fate_of(block) is Fate.MARKED or block.language not in CHECKS:
        return []
    kind = block.noted(CHECKED_AS)
    known = {"yaml": PARTS, "json": answers()["schemas"]}.get(block.language, ())
    if kind and kind not in known:
        return [f"there is no {kind!r} to check it as"]
    return list(CHECKS[block.language](block))


def queries() -> Iterator[str]:
    """Every expression for Prometheus: after ``query=``, and in the triggers of an autoscaler."""
    for block in blocks():
        if block.language == "sh":
            for words in commands_of(block.text):
                yield from (word.removeprefix("query=") for word in words if word.startswith("query="))
        elif block.language == "yaml":
            yield from re.findall(r"^\s*query: (.*)$", block.text, re.MULTILINE)
