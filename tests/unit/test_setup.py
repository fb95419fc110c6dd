"""``make setup``: when ``.venv`` is made anew."""

import sys
from pathlib import Path

import pytest

from tools.setup import works


def environment(folder: Path, says: str) -> Path:
    """A program in the place of an environment's Python."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{says}\n")
    python.chmod(0o755)
    return python


def test_an_environment_of_the_python_that_is_asked_for_is_kept() -> None:
    assert works(Path(sys.executable))


@pytest.mark.parametrize("says", ["echo 3 9", "exit 1"], ids=["another one", "broken"])
def test_an_environment_of_another_python_or_a_broken_one_is_made_anew(says: str, tmp_path: Path) -> None:
    assert not works(environment(tmp_path, says))


def test_where_there_is_none_one_is_made(tmp_path: Path) -> None:
    assert not works(tmp_path / "python")
