"""What becomes of each code block of the documentation.

A test executes it (``EXECUTED``), or it is checked by its kind (``unexecuted`` says why that is all), or a comment
right above says why neither can be: ``<!-- not run: it is what a command printed -->``. Of YAML a comment says what it
is a part of: ``<!-- checked as: values of the chart -->``; of JSON it may say which object of the API it is.
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
    """What becomes of a block."""

    EXECUTED = "executed"
    CHECKED = "checked"
    MARKED = "marked"


def blocks() -> Sequence[Block]:
    """Every block of every page."""
    return [block for page in PAGES for block in blocks_of(page)]


def fate_of(block: Block) -> Fate | None:
    """None: nothing says whether it is right, so that it may not stand there."""
    if any(each.takes(block) for each in EXECUTED):
        return Fate.EXECUTED
    if block.noted(_NOT_RUN):
        return Fate.MARKED
    return Fate.CHECKED if block.language in CHECKS and _has_a_schema(block) else None


def _has_a_schema(block: Block) -> bool:
    """Of YAML it must be said what it is a part of; of JSON it may be, where it is an answer of the API."""
    kind = block.noted(CHECKED_AS)
    match block.language:
        case "yaml":
            return kind in PARTS
        case "json":
            return not kind or kind in answers()["schemas"]
        case _:
            return not kind


def wrong_with(block: Block) -> Sequence[str]:
    """What is wrong with it by its kind alone; a block that a test executes is looked at as well."""
    if fate_of(block) is Fate.MARKED or block.language not in CHECKS:
        return []
    return list(CHECKS[block.language](block))


def queries() -> Iterator[str]:
    """Every expression for Prometheus: after ``query=``, and in the triggers of an autoscaler."""
    for block in blocks():
        if block.language == "sh":
            for words in commands_of(block.text):
                yield from (word.removeprefix("query=") for word in words if word.startswith("query="))
        elif block.language == "yaml":
            yield from re.findall(r"^\s*query: (.*)$", block.text, re.MULTILINE)
