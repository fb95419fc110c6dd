"""The whole of ``eventstreams verify``: every receiver, on a cluster that it starts itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.up import clean_environ

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200)]


def test_of_a_hundred_thousand_events_with_every_receiver_each_is_accounted_for(tmp_path: Path) -> None:
    page = tmp_path / "proof.html"
    load = ["--events", "100000", "--rate", "1500", "--subscriptions", "16", "--settle", "30m"]

    done = subprocess.run(
        [sys.executable, "-m", "eventstreams", "verify", "--up", *load, "--report", str(page)],
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
