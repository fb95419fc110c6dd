"""``python -m benchmarks.path``: the whole path compared with a bare loop, every role in a process of its own.

published -> es.events -> router -> subscription topic -> worker -> receiver; the worker decodes, projects, signs,
delivers, settles and logs. ``us`` is CPU time in µs per delivery. On a busy machine, compare these and the ratios
within one run; rates and delays depend on what the machine had left. ``bare`` is a loop from Kafka to HTTP with
confluent-kafka and aiohttp that does none of the rest. The receiver counts arrivals: every event must arrive, and
duplicates are reported. At a fixed rate, the timestamps of Kafka's records, the attempt log and the receiver show where
events spend their time, and where the slowest do.

``--quick`` is the small variant that CI runs; it fails if a ratio exceeds its bound.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import orjson

from benchmarks.measure import load, machine
from benchmarks.path.cases import CASES, Ran
from benchmarks.path.installation import RunningInstallation, memory_mib, running_installation
from benchmarks.path.stages import lines

_EVENTS: Final = 20_000
_QUICK_EVENTS: Final = 3_000
_QUICK_CASES: Final = ("single", "batched")
# CPU of the worker for an event, as a share of what the bare loop takes for one in the same run. Measured: see
# docs/performance-measurements.md. Beyond these something is wrong that noise does not explain.
_BOUNDS: Final[Mapping[str, float]] = {"single": 4.0, "batched": 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.path", description=__doc__)
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="only these; may be given several times")
    parser.add_argument("--events", type=int, help=f"of a case at full speed; default: {_EVENTS:,}")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--workers", type=int, default=1, help="worker processes; with one, Python uses one core of them"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, and bounds on the ratios")
    parser.add_argument("-o", choices=["table", "json"], default="table", dest="form")
    given = parser.parse_args()
    names = given.case or (_QUICK_CASES if given.quick else tuple(CASES))
    events = given.events or (_QUICK_EVENTS if given.quick else _EVENTS)
    with tempfile.TemporaryDirectory() as folder, running_installation(Path(folder), given.workers) as installation:
        idle = memory_mib(installation.pids)
        rows = [
            row for _ in range(given.rounds) for name in names for row in _told(installation, name, events, given.form)
        ]
    if given.form == "json":
        about = {
            "machine": machine(),
            "load": load(),
            "events": events,
            "started_s": installation.started_s,
            "idle_mib": idle,
        }
        print(orjson.dumps({**about, "runs": [dataclasses.asdict(row) for row in rows]}).decode())
    else:
        print(f"{machine()}; load {load()}; {events:,} events")
        print(f"ready after {installation.started_s:.1f} s; memory then, MiB: {_figures(idle)}")
    if given.quick and (problem := beyond(rows)):
        sys.exit(problem)


def _told(installation: RunningInstallation, name: str, events: int, form: str) -> Sequence[Ran]:
    rows = CASES[name](installation, events)
    if form == "table":
        for row in rows:
            print(_line(row), *(() if row.stages is None else lines(row.stages)), sep="\n", flush=True)
    return rows


def _line(row: Ran) -> str:
    gap = f" longest gap {row.longest_gap_s:.1f} s" if row.longest_gap_s > 1 else ""
    return (
        f"{row.case:<9} {row.who:<5}{row.rate:8,.0f}/s  p50 {row.p50_ms:8,.1f} ms  p99 {row.p99_ms:8,.1f} ms  "
        f"ours {row.ours_us:5.0f} us: {_figures(row.us)}; MiB: {_figures(row.mib)}; {row.twice} twice{gap}"
    )


def _figures(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {figure:.0f}" for name, figure in figures.items())


def beyond(rows: Sequence[Ran]) -> str:
    """Which ratios are beyond their bounds, in words; empty: none."""
    loops = [row.us["bare"] for row in rows if row.who == "bare"]
    if not loops:
        return "there is no bare loop to compare with: add --case single"
    bare = statistics.median(loops)
    problems = []
    for row in rows:
        bound = _BOUNDS.get(row.case)
        if row.who != "path" or bound is None:
            continue
        workers = sum(us for name, us in row.us.items() if name.partition(".")[0] == "worker-webhook")
        if not workers:  # what a process used before it was restarted is unknown
            problems.append(f"{row.case}: the worker was restarted, so its CPU is unknown")
        elif workers > bound * bare:
            ratio = workers / bare
            problems.append(
                f"{row.case}: the worker takes {ratio:.2f} of the bare loop's CPU, and {bound} is the bound"
            )
    return "\n".join(problems)


if __name__ == "__main__":
    main()
