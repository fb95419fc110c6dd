"""``python -m benchmarks.scale``: how cost grows, as curves, and the cost model that ``eventstreams sizing`` uses.

Takes about five minutes on two idle cores. ``--write`` replaces ``benchmarks/scale/measured.json`` and the charts of
docs/sizing.md by the results; ``--model`` measures nothing and prints the model fitted to that file.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import orjson

from benchmarks.measure import load, machine
from benchmarks.path.installation import running_installation
from benchmarks.scale.chart import drawn
from benchmarks.scale.fit import Model, fit, off
from benchmarks.scale.points import Point, on_the_path
from benchmarks.scale.standing import Standing

MEASURED: Final = Path(__file__).parent / "measured.json"
PICTURES: Final = Path(__file__).parents[2] / "docs" / "images"
_STANDING: Final = ((100, 100), (10_000, 10_000), (100_000, 1_000), (100_000, 100_000), (1_000_000, 10_000))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep what is measured, and draw it")
    parser.add_argument("--model", action="store_true", help="of what was kept; measure nothing")
    given = parser.parse_args()
    if given.model:
        points = kept_points()
    else:
        points, standing = _measured()
        if given.write:
            about = {"machine": machine(), "load": load()}
            told = {**about, "points": [asdict(each) for each in points], "standing": standing}
            MEASURED.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
            for name, picture in drawn(points).items():
                (PICTURES / name).write_text(picture + "\n")
    _tell(fit(points), points)


def kept_points() -> Sequence[Point]:
    """Return the points stored by ``--write``."""
    return [Point(**each) for each in orjson.loads(MEASURED.read_bytes())["points"]]


def _measured() -> tuple[Sequence[Point], Sequence[dict[str, float]]]:
    points, standing = [], []
    print(f"{machine()}; load {load()}", flush=True)
    with tempfile.TemporaryDirectory() as folder, running_installation(Path(folder)) as installation:
        for point in on_the_path(installation):
            told = "  ".join(f"{role} {us:7.1f}" for role, us in point.us.items())
            print(f"{point.curve:<9} {point.x:9,.0f}  {told} µs  {point.rate:8,.0f}/s", flush=True)
            points.append(point)
    for subscriptions, accounts in _STANDING:
        command = [sys.executable, "-m", "benchmarks.scale.standing", str(subscriptions), str(accounts)]
        done = subprocess.run(command, capture_output=True, check=True)
        found = Standing(**orjson.loads(done.stdout))
        print(
            f"{subscriptions:,} subscriptions of {accounts:,} accounts: each is read in {found.read_us:.0f} µs and "
            f"takes {found.snapshot_kib:.2f} KiB, in routers {found.matcher_kib:.2f} more; an event is matched in "
            f"{found.match_us:.2f} µs",
            flush=True,
        )
        standing.append({"subscriptions": subscriptions, "accounts": accounts, **asdict(found)})
    return points, standing


def _tell(model: Model, points: Sequence[Point]) -> None:
    print("\nthe model")
    for each in fields(model):
        value = getattr(model, each.name)
        told = f"{value:8.1f}" if isinstance(value, float) else ", ".join(f"{k} {v:.2f}" for k, v in value.items())
        print(f"  {each.name:<20}{told}")
    print("\nand how far it is off, all roles together, µs of a delivery")
    for found in off(model, points):
        at = f"{found.point.curve} {found.point.x:,.0f}"
        print(f"  {at:<18}{found.model_us:8.0f} of {found.measured_us:8.0f}  {found.share:+.0%}")


if __name__ == "__main__":
    main()
