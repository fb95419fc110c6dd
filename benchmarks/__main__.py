"""``python -m benchmarks``: prints the machine, sizes and figures. ``--short`` takes seconds: a check that it works."""

import argparse
import asyncio
from collections.abc import Sequence

from benchmarks import codec, matcher, worker
from benchmarks.measure import Figure, machine


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small sizes: its figures say nothing")
    scale = 0.01 if parser.parse_args(arguments).short else 1.0
    print(machine())
    _show("codec", codec.measure(scale))
    _show("matcher", matcher.measure(scale))
    _show("worker loop", asyncio.run(worker.measure(scale)))


def _show(part: str, found: tuple[str, Sequence[Figure]]) -> None:
    size, figures = found
    print(f"\n{part}: {size}")
    for figure in figures:
        print(f"  {figure.what:<44} {figure.us:8.2f} µs of CPU  {1e6 / figure.us:11,.0f} /s on one core")


if __name__ == "__main__":
    main()
