"""How figures are measured: CPU time, the best of several rounds, as noise can only add to it."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """``us`` is the CPU time for one ``what``, in microseconds, of all threads of the process."""

    what: str
    us: float


def best_of(what: str, work: Callable[[], int]) -> Figure:
    """Return the best round of ``work``, which does something several times and returns how often."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        count = work()
        rounds.append((time.process_time() - began) / count)
    return Figure(what, min(rounds) * 1e6)


def machine() -> str:
    """Describe the machine on which the figures were measured."""
    cores = os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def load() -> str:
    """Describe how busy the machine is: processes that want a core, on average over 1, 5 and 15 minutes."""
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
