"""``make setup``: when ``.venv`` is made anew, and what two processes of pip install."""

import sys
from pathlib import Path

import pytest

from tools.setup import ROOT, shares, works


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


def test_two_processes_of_pip_install_each_requirement_of_the_lock_once_with_all_its_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    lines = [line for line in lock.splitlines() if not line.startswith("#")]

    first, second, last = shares(lock)

    assert sorted([*first.splitlines(), *second.splitlines(), *last.splitlines()]) == sorted(lines)
    assert last.startswith("pip==")  # nobody replaces it while another runs it
    assert last.count("==") == 1
    for half in (first, second, last):
        assert half is last or len(half.splitlines()) > 1000
        assert half.rstrip()[-64:].isalnum()  # it ends with a hash, not in the middle of one requirement
        for before, line in zip(half.splitlines(), half.splitlines()[1:], strict=False):
            assert before.endswith("\\") == line.startswith("    ")
