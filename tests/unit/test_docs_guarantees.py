"""docs/delivery-guarantees.md: every promise names a test, and every test that it names exists."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PAGE: Final = ROOT / "docs" / "delivery-guarantees.md"
NOT_PROMISED: Final = "## Not promised"
PROOF: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@dataclass(frozen=True, slots=True)
class Promise:
    """One sentence of the page, and the tests that it names as ``(file, test)``."""

    text: str
    proofs: tuple[tuple[str, str], ...]


def promises() -> Iterator[Promise]:
    promised, _, _ = PAGE.read_text("utf-8").partition(NOT_PROMISED)
    for section in promised.split("\n## ")[1:]:
        for item in section.split("\n- ")[1:]:
            yield Promise(" ".join(PROOF.sub("", item).split()), tuple(PROOF.findall(item)))


PROMISES: Final = list(promises())


def test_the_page_makes_promises_and_says_what_it_does_not_promise() -> None:
    assert len(PROMISES) > 30
    assert NOT_PROMISED in PAGE.read_text("utf-8")


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.text[:60])
def test_every_promise_names_tests_that_exist(promise: Promise) -> None:
    assert promise.proofs, f"no test proves: {promise.text}"
    assert "::" not in promise.text, f"a proof is not spelled `tests/….py::test_…`: {promise.text}"
    missing = [f"{file}::{test}" for file, test in promise.proofs if test not in names_of_tests(ROOT / file)]
    assert not missing, f"{PAGE.name} names tests that are not there: {', '.join(missing)}"


def names_of_tests(file: Path) -> set[str]:
    """The names of the test functions and methods in ``file``; none where it is not there."""
    if not file.is_file():
        return set()
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    names = (node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {name for name in names if name.startswith("test_")}
