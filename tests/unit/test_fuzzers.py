"""The coverage-guided fuzzers find a bug that is planted, and in what reads bytes from outside find none."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="has no wheel for this system")
TARGETS = (
    *("envelope", "avro", "event", "form", "filter", "authorization", "destination"),
    *("key", "answer", "console"),
)
ROOT = Path(__file__).parents[2]


def fuzz(target: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.fuzz", target, f"-artifact_prefix={folder}/", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_is_read_raises_or_takes_long(target: str, tmp_path: Path) -> None:
    ran = fuzz(target, tmp_path, "-max_total_time=30")

    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "Done " in ran.stderr


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_bug_that_is_planted_is_found(tmp_path: Path) -> None:
    ran = fuzz("planted", tmp_path, "-runs=10000000", "-max_total_time=200")

    assert ran.returncode != 0
    assert [each.read_bytes()[:3] for each in tmp_path.iterdir()] == [b"BUG"]
