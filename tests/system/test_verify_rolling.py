"""``eventstreams verify --rolling``: every process of every role is replaced under load, and nobody notices."""

import shlex
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from eventstreams.verify.rollout.fleet import COPIES, ROLES
from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.up import clean_environ

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1200)]

SESSION_S = 8.0  # of a router, which is the shortest: whoever waits for so long waits for somebody who did not leave


def test_every_process_is_replaced_under_load_and_no_event_is_lost_and_no_call_fails(tmp_path: Path) -> None:
    [shown] = [each.text for each in blocks_of(ROOT / "docs/rolling-restarts.md") if "--rolling" in each.text]
    longer = shlex.split(
        shown.replace("--events 6000", "--events 12000")
    )  # so that a slow machine is under load as well

    done = subprocess.run(
        [sys.executable, "-m", *longer, "--data-dir", str(tmp_path / "fleet"), "-o", "json"],
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = orjson.loads(done.stdout)
    delays = [each["delay_seconds"] for each in told["subscriptions"]]
    print(done.stderr, told["calls"], *delays, sep="\n")  # noqa: T201 - the figures: `make proof` shows them
    assert len(told["faults"]) == COPIES * len(ROLES)
    assert told["faults"][-1]["ended_s"] < told["published"]["seconds"], "it was not under load to its end"
    assert told["calls"]["failed"] == 0
    assert [each["missing"] for each in told["subscriptions"]] == [0] * 4
    assert max(each["p99"] for each in delays) < SESSION_S
