"""CI types what CONTRIBUTING.md has a contributor type, and fails where any of it does."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.live_page import commands
from tests.support.page import shown
from tests.support.snippet_kinds import ROOT

ELSEWHERE = {"proof", "fuzz", "audit", "bench"}  # minutes each, or the network: for a person, and for a release


def ci(folder: Path, *, fails: str = "") -> tuple[int, list[str], str]:
    """The exit code of ``.ci/run`` where ``make`` only notes what it is to make, what that is, and what was said."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    programs = folder / "programs"
    programs.mkdir()
    scripts = {"make": f'echo "make $1" >> {folder}/made; [ "$1" != "{fails}" ]', "docker": "exit 1"}
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    env = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([folder / ".ci" / "run"], env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (folder / "made").read_text().splitlines(), done.stdout


def test_ci_types_what_contributing_md_shows(tmp_path: Path) -> None:
    """What it types, this very run does for the code that it is of; but for the list, which is typed here."""
    listing, *others = (re.sub(r"\s+#.*", "", each) for each in commands(shown(ROOT / "CONTRIBUTING.md", "make setup")))

    code, made, said = ci(tmp_path)

    assert (code, sorted(made)) == (0, sorted(others))
    assert "make test-compose was not run" in said
    assert "make test-cluster was not run" in said
    listed = subprocess.run(listing.split(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named | ELSEWHERE <= set(re.findall(r"^  make (\S+)", listed, re.MULTILINE))


@pytest.mark.parametrize("fails", ["setup", "check", "test"])
def test_ci_fails_where_any_of_it_does(tmp_path: Path, fails: str) -> None:
    code, *_ = ci(tmp_path, fails=fails)

    assert code != 0


def test_every_target_can_be_made() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, timeout=60, check=True)
