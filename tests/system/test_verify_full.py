"""The whole of ``eventstreams verify``: every receiver, on a cluster that it starts itself."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.page import shown
from tests.support.snippet_kinds import ROOT
from tests.support.up import clean_environ

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200)]


def typed(position: int) -> list[str]:
    """One of the two commands by which docs/verify.md has it tried on one machine."""
    both = shown(ROOT / "docs/verify.md", "--rate 1500").splitlines()
    return [sys.executable, "-m", *shlex.split(both[position])]


def test_it_holds_as_it_comes(tmp_path: Path) -> None:
    done = subprocess.run(
        typed(0), cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=1800, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_of_a_hundred_thousand_events_with_every_receiver_each_is_accounted_for(tmp_path: Path) -> None:
    page = tmp_path / "proof.html"
    command = typed(1)
    assert command[command.index("--events") + 1] == "100000"

    done = subprocess.run(
        [*command, "--subscriptions", "16", "--settle", "30m"],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=7000,
        check=False,
    )

    print(done.stdout)  # noqa: T201 - the figures: `make proof` shows them
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "it holds"
    assert page.stat().st_size > 50_000
