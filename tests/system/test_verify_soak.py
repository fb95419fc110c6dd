"""``eventstreams verify --soak``, as docs/verify.md has it, for the twenty minutes that it takes at least."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.page import shown
from tests.support.snippet_kinds import ROOT
from tests.support.up import clean_environ

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]

SIZES = ("--events", "48000", "--rate", "40")  # for the page's hour at 100 a second: what comes last counts
HERE = ("--duplicates", "100")  # a busy machine makes more, which is no finding
SEED = (
    "--seed",
    "4",
)  # faults from the first to the last minute, and a process of each role that outlives most of them


def test_twenty_minutes_of_the_hour_hold(tmp_path: Path) -> None:
    command = [sys.executable, "-m", *shlex.split(shown(ROOT / "docs/verify.md", "--soak")), *SIZES, *SEED, *HERE]

    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=3000, check=False
    )

    print(done.stdout)  # noqa: T201 - the figures: `make proof` shows them
    assert done.returncode == 0, done.stdout + done.stderr
    assert "an hour" in (tmp_path / "soak.html").read_text()
