"""The benchmarks run and say what their figures are of; how large the figures are is no test's business."""

import subprocess
import sys
from pathlib import Path

from benchmarks.path.__main__ import beyond
from benchmarks.path.cases import Ran
from benchmarks.path.stages import Journey, lines, tell
from tests.support.page import blocks_of


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


def test_what_performance_md_says_of_the_collector_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "performance.md"
    [shown] = [each.text for each in blocks_of(page) if each.language == "python"]

    done = subprocess.run(
        [sys.executable, "-c", f"{shown}\nprint(gc.get_threshold(), gc.get_freeze_count() > 0)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "(50000, 20, 100) True\n"


def ran(case: str, who: str, **us: float) -> Ran:
    return Ran(case, who, rate=1.0, p50_ms=1.0, p99_ms=1.0, twice=0, us=us, mib={}, longest_gap_s=0.0)


def test_a_worker_that_takes_too_much_beside_a_bare_loop_is_told() -> None:
    bare = ran("single", "bare", bare=50)
    good = ran("single", "path", **{"worker-webhook": 100})
    bad = ran("single", "path", **{"worker-webhook": 201})

    assert beyond([bare, good]) == ""
    assert beyond([bare, bad]) == "single: the worker takes 4.02 of the bare loop's CPU, and 4.0 is the bound"


def test_what_was_not_measured_is_no_success() -> None:
    bare, lost = ran("single", "bare", bare=50), ran("single", "path", kafka=10)
    alone = ran("batched", "path", **{"worker-webhook": 1})

    assert beyond([bare, lost]) == "single: the worker was restarted, so its CPU is unknown"
    assert beyond([alone]) == "there is no bare loop to compare with: add --case single"


def test_several_workers_may_take_no_more_than_one() -> None:
    bare = ran("single", "bare", bare=50)
    two = ran("single", "path", **{"worker-webhook": 101, "worker-webhook.2": 100})

    assert beyond([bare, two]) == "single: the worker takes 4.02 of the bare loop's CPU, and 4.0 is the bound"


def test_the_slowest_events_are_told_by_spell_and_by_stage() -> None:
    start = 1_000_000.0
    steady = [Journey(at, at + 1, at + 3, at + 4, at + 5) for at in (start + 2 * number for number in range(300))]
    held_up = [Journey(at, at + 1, at + 3, at + 103, at + 104) for at in (start + 201, start + 203, start + 501)]
    found = sorted([*steady, *held_up])

    told = tell(found)

    assert told.delays["to Kafka"] == [1, 1, 1, 1]
    assert told.delays["to the worker"] == [1, 1, 1, 100]
    assert told.delays["all"] == [5, 5, 5, 104]
    assert [(spell.at_s, spell.events, spell.worst_ms) for spell in told.spells] == [(0.201, 2, 104), (0.501, 1, 104)]
    assert told.spells[0].stages == {"to Kafka": 1, "router": 2, "to the worker": 100, "request": 1}
    assert len(list(lines(told))) == 7
