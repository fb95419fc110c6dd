"""docs/threat-model.md: every measure names a test, and every test that it names exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.unit.test_docs_guarantees import PROOF, ROOT, names_of_tests

PAGE: Final = ROOT / "docs" / "threat-model.md"
NOT_DEFENDED: Final = "## Not defended"
BOUNDARY: Final = re.compile(r"\n## (?=\d\. )")


def measures() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each measure in words, and the tests that it names as ``(file, test)``."""
    defended, _, _ = PAGE.read_text("utf-8").partition(NOT_DEFENDED)
    for section in BOUNDARY.split(defended)[1:]:
        for item in section.split("\n- ")[1:]:
            yield " ".join(PROOF.sub("", item).split()), PROOF.findall(item)


MEASURES: Final = list(measures())


def test_the_page_has_every_boundary_and_says_what_is_not_defended() -> None:
    text = PAGE.read_text("utf-8")

    assert len(BOUNDARY.findall(text)) == 5
    assert len(MEASURES) > 25
    assert text.partition(NOT_DEFENDED)[2].count("\n- ") > 5


@pytest.mark.parametrize(("measure", "tests"), MEASURES, ids=lambda each: str(each)[:60])
def test_every_measure_names_tests_that_exist(measure: str, tests: list[tuple[str, str]]) -> None:
    assert tests, f"no test shows: {measure}"
    assert "::" not in measure.partition("What is shipped")[0], f"a test is not spelled `tests/….py::test_…`: {measure}"
    missing = [f"{file}::{test}" for file, test in tests if test not in names_of_tests(Path(ROOT) / file)]
    assert not missing, f"{PAGE.name} names tests that are not there: {', '.join(missing)}"
