"""``python -m benchmarks.failover``: how long a write waits when the API's primary gets SIGKILL, SIGSTOP or SIGTERM.

Two API processes; a client writes through the one without the fault. Prints the longest write around each fault.
"""

import argparse
import asyncio
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.measure import load, machine
from eventstreams.testing.broker import running_broker
from tests.conftest import installation_settings
from tests.support.replicas import SINK, ApiProcess, Replicas, running_replicas

_FAULTS: Final = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)


async def measure(bootstrap: str, folder: Path, rounds: int) -> None:
    with installation_settings(bootstrap) as settings:
        for fault in _FAULTS:
            found = []
            for _ in range(rounds):
                async with running_replicas(settings, folder, 2) as replicas:
                    found.append(await _around(replicas, fault))
            shown = ", ".join(f"{each:.2f}" for each in sorted(found))
            print(f"  {fault.name}: the longest write took {shown} s", flush=True)


async def _around(replicas: Replicas, fault: signal.Signals) -> float:
    old, [other] = replicas.primary, replicas.others
    await _write(replicas, other)
    old.send(fault)
    longest, end = 0.0, None
    while end is None or time.monotonic() < end:
        longest = max(longest, await _write(replicas, other))
        if end is None and replicas.primary is other:
            end = time.monotonic() + 1
    old.send(signal.SIGCONT)
    return longest


async def _write(replicas: Replicas, at: ApiProcess) -> float:
    """Create a sink and delete it again; return how long the creation took, in seconds."""
    began = time.monotonic()
    status, body = await replicas.ask(at, "POST", "/v1/Sinks", SINK)
    took = time.monotonic() - began
    assert status == 201, body  # noqa: PLR2004 - created
    await replicas.ask(at, "DELETE", f"/v1/Sinks/{body['sid']}")
    return took


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kafka", help="host:port; default: a broker of its own")
    given = parser.parse_args(arguments)
    print(f"{machine()}; load {load()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.kafka is not None:
            asyncio.run(measure(given.kafka, folder, given.rounds))
        else:
            with running_broker(folder / "kafka") as broker:
                asyncio.run(measure(broker.bootstrap, folder, given.rounds))
    print(f"load at the end {load()}")


if __name__ == "__main__":
    main()
