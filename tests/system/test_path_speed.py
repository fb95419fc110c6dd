"""The whole path keeps its cost, as a share of what a bare loop takes in the same run."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_the_worker_keeps_its_share_of_a_bare_loops_cpu() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.path", "--quick"], capture_output=True, text=True, timeout=280, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "single    path" in done.stdout
    assert "batched   path" in done.stdout
