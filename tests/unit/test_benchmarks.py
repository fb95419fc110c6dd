"""The benchmarks run and say what their figures are of; how large the figures are is no test's business."""

import subprocess
import sys


def test_every_benchmark_runs_and_names_machine_and_sizes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--short"], capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    machine, *lines = done.stdout.splitlines()
    assert "cores" in machine
    assert [line.partition(":")[0] for line in lines if line and not line.startswith(" ")] == [
        "codec",
        "matcher",
        "worker loop",
    ]
    assert sum("µs of CPU" in line for line in lines) == 11
