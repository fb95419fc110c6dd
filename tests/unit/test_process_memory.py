"""Memory that a process needed for a moment goes back to the system, also where something that lives lies between."""

import subprocess
import sys
from typing import Final

import pytest

from eventstreams.process.memory import give_back

PEAK: Final = """
import asyncio, ctypes, psutil
from eventstreams.process import memory

def mib():
    return psutil.Process().memory_info().rss >> 20

ctypes.CDLL(None).mallopt(-3, 1 << 20)  # as glibc is set itself once larger blocks were given back
held = [bytes(2_000) for _ in range(100_000)]
peak = mib()
del held[:90_000], held[1::2]  # what lives on is at the end
before = mib()

async def wait():
    memory._EVERY_S = 0.01
    giving = asyncio.create_task(memory.give_back_by_the_clock())
    while mib() > peak - 150:
        await asyncio.sleep(0.01)
    giving.cancel()

asyncio.run(asyncio.wait_for(wait(), 60))
print(peak, before, mib())
"""


@pytest.mark.skipif(give_back is None, reason="the C library gives nothing back on demand")
def test_what_is_free_below_what_is_not_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=90, check=True)

    peak, before, after = map(int, done.stdout.split())
    assert before > peak - 50, "the C library gave it back by itself: there is nothing to show"
    assert after <= peak - 150
