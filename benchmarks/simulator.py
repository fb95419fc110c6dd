"""``python -m benchmarks.simulator``: events/s that one process generates, for all products together and each alone.

CPU time of the process, the best of several rounds. Nothing is published: see ``benchmarks.publisher`` for that.
"""

import argparse
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from benchmarks.events import ACCOUNT
from benchmarks.measure import best_of, load, machine
from producers.simulator import Scenario, SimulatedProduct, default_products, known_products, simulate


def made(products: Sequence[SimulatedProduct], count: int) -> int:
    scenario = Scenario(seed=1, accounts=[ACCOUNT], start=datetime(2026, 1, 1, tzinfo=UTC), products=products)
    deque(islice(simulate(scenario), count), maxlen=0)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="events a round")
    count = parser.parse_args().count
    print(machine())
    print(f"load {load()}")
    chosen = {"all by default": default_products()} | {name: [each] for name, each in known_products().items()}
    for name, products in chosen.items():
        figure = best_of(name, partial(made, products, count))
        print(f"{figure.what:<16} {figure.us:6.1f} µs of CPU  {1e6 / figure.us:9,.0f} events/s")
    print(f"load {load()}")


if __name__ == "__main__":
    main()
