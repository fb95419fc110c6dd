"""``eventstreams verify --faults``: a cluster of its own is attacked by a seed, and loses nothing."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.up import clean_environ

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

RATE = 100


def verify(folder: Path, *arguments: str, events: int, given: Sequence[str] = ()) -> tuple[Any, str]:
    """The result, and what was said meanwhile. Duplicates are no finding here: a busy machine makes more.

    What ``given`` says counts where nothing else is said.
    """
    done = subprocess.run(
        [
            *[sys.executable, "-m", "eventstreams", "verify", "--up", *given],
            *["--data-dir", str(folder), "-o", "json"],
            *["--events", str(events), "--rate", str(RATE), "--duplicates", "100", "--settle", "6m", *arguments],
        ],
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return orjson.loads(done.stdout), done.stderr


def assert_holds(found: Any, said: str) -> None:
    assert found["holds"], (found["problems"], found["whereabouts"], said)
    assert found["faults"], said
    assert all(each["missing"] == 0 and each["delivered"] for each in found["subscriptions"])


def test_what_is_killed_frozen_cut_and_full_loses_no_event(tmp_path: Path) -> None:
    faults = "kill,terminate,reset,refuse,disk-full"
    receivers = "healthy:2,failing"

    arguments = ("--faults", faults, "--pause", "3s", "--seed", "1", "--receivers", receivers)
    found, said = verify(tmp_path / "site", *arguments, events=3_000)

    assert_holds(found, said)
    assert {each["name"] for each in found["faults"]} <= set(faults.split(","))


@pytest.mark.proof
@pytest.mark.parametrize(("brokers", "seed"), [("1", 11), ("3", 12)])
def test_the_whole_nemesis_loses_no_event(tmp_path: Path, brokers: str, seed: int) -> None:
    """As docs/faults.md says, with a fifth of its events, and seeds and a number of brokers beside."""
    [shown] = [each.text for each in blocks_of(ROOT / "docs/faults.md") if each.language == "sh"]
    words = shlex.split(shown)
    assert words[:3] == ["eventstreams", "verify", "--up"]
    arguments = (*words[3:], "--brokers", brokers, "--seed", str(seed), "--report", str(tmp_path / "proof.html"))
    found, said = verify(tmp_path / "site", events=20_000, given=arguments)

    assert_holds(found, said)


@pytest.mark.proof
def test_brokers_out_of_each_others_reach_lose_no_event(tmp_path: Path) -> None:
    """As docs/proof.md says: by this seed each of three is cut off from the others once, and still answers clients."""
    receivers = "healthy:3,failing"

    arguments = ("--brokers", "3", "--faults", "cut", "--pause", "2s", "--seed", "2987", "--receivers", receivers)
    found, said = verify(tmp_path / "site", *arguments, "--rate", "40", events=6_000)

    assert_holds(found, said)
    assert {each["target"] for each in found["faults"]} >= {"brokers~kafka-1", "brokers~kafka-2", "brokers~kafka-3"}
