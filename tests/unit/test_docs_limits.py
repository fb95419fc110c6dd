"""docs/limits.md: every bound has the value that the page says."""

import re
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path(__file__).parents[2] / "docs" / "limits.md"
ROW: Final = re.compile(r"^\| ([^|]+) \| ([\d.]+) \| `([\w.]+):(\w+)` \|$", re.MULTILINE)
LIMITS: Final = ROW.findall(PAGE.read_text("utf-8"))


def test_every_row_of_the_table_is_read() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]

    assert len(rows) - 2 == len(LIMITS) > 20


@pytest.mark.parametrize(("what", "value", "module", "name"), LIMITS, ids=lambda each: each)
def test_a_bound_has_the_value_that_the_page_says(what: str, value: str, module: str, name: str) -> None:
    assert str(getattr(import_module(module), name)) == value, what
