"""``docs/writing-a-sink.md`` shows the code of the example plugin, and nothing else."""

from pathlib import Path

import pytest

from tests.support.page import Block, blocks_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "writing-a-sink.md"
EXAMPLE = ROOT / "examples" / "sink-plugin"
CODE = [block for block in blocks_of(PAGE) if block.language in {"python", "toml"}]


@pytest.mark.parametrize("block", CODE, ids=lambda block: str(block.file))
def test_a_block_of_code_is_the_file_that_is_named_above_it(block: Block) -> None:
    assert block.file is not None, f"no file is named above: {block.text[:80]}"
    text = (EXAMPLE / block.file).read_text()

    if block.is_part:
        assert block.text in text
    else:
        assert block.text == text.rstrip()


def test_every_file_of_the_plugin_is_shown() -> None:
    shown = {block.file for block in CODE}

    plugin = {str(file.relative_to(EXAMPLE)) for file in (EXAMPLE / "src").rglob("*.py")}
    assert plugin | {"pyproject.toml", "tests/test_contract.py", "tests/fake_beanstalkd.py"} == shown


def test_the_tree_is_that_of_the_files_that_are_shown() -> None:
    (tree,) = (block.text for block in blocks_of(PAGE) if not block.language)

    named = {name for name in tree.split() if not name.endswith("/")}

    assert named == {Path(str(block.file)).name for block in CODE}


def test_every_block_that_is_no_code_is_a_command_or_a_tree() -> None:
    assert {block.language for block in blocks_of(PAGE)} == {"python", "toml", "sh", ""}
