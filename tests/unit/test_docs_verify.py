"""The examples of ``eventstreams verify --help``, which take minutes or an hour each."""

from tests.support.executed import EXECUTED
from tests.support.page import blocks_of, shown
from tests.support.snippet_kinds import ROOT


def test_each_example_of_the_help_stands_on_a_page_whose_test_types_it() -> None:
    """So they are typed once, and not once more for docs/commands.md, which has them out of the help."""
    examples = shown(ROOT / "docs" / "commands.md", "eventstreams verify").splitlines()

    typed = {
        line
        for row in EXECUTED
        if row.test.startswith("tests/system/test_verify")
        for block in blocks_of(ROOT / row.page)
        if row.takes(block)
        for line in block.text.splitlines()
    }

    assert [each for each in examples if each not in typed] == []
