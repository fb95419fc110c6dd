"""``python -m benchmarks.idle``: what each process of ``eventstreams up`` uses while nothing happens.

CPU in ms per second (10 is one per cent of a core), and how often per second its threads wake up; first without any
subscription, then with one that gets no events.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.measure import load, machine
from benchmarks.path.installation import cpu_s, running_installation

_SETTLED_S: Final = 10.0  # after the start, and after a change of subscriptions


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the two")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, running_installation(Path(folder)) as installation:
        pids = {**installation.pids, "up": installation.up.process.pid}
        del pids["receiver"]
        print(f"{machine()}; load {load()}")
        _tell("without a subscription", pids, seconds)
        with installation.subscribed(installation.receiver.url("idle")):
            _tell("with one webhook", pids, seconds)
        print(f"load {load()}")


def _tell(when: str, pids: Mapping[str, int], seconds: float) -> None:
    time.sleep(_SETTLED_S)
    cpu, woken, began = cpu_s(pids), _woken(pids), time.monotonic()
    time.sleep(seconds)
    cpu_after, woken_after, took = cpu_s(pids), _woken(pids), time.monotonic() - began
    print(f"{when}, {took:.0f} s:")
    for name in pids:
        ms, times = (cpu_after[name] - cpu[name]) * 1000 / took, (woken_after[name] - woken[name]) / took
        print(f"    {name:<16}{ms:7.1f} ms/s {times:8.0f} wake-ups/s", flush=True)


def _woken(pids: Mapping[str, int]) -> dict[str, int]:
    """Return how often the threads of each process have waited so far; threads that ended are left out."""
    return {name: sum(_waits(each) for each in Path(f"/proc/{pid}/task").iterdir()) for name, pid in pids.items()}


def _waits(task: Path) -> int:
    try:
        lines = (task / "status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return int(next(line for line in lines if line.startswith("voluntary_ctxt_switches")).split()[1])


if __name__ == "__main__":
    main()
