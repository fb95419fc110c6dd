"""Each fault of processes, disks and machines does what it says, and its heal restores: on plain child processes."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import pytest

from eventstreams.verify.nemesis.copies import Gone, Storm
from eventstreams.verify.nemesis.disk import IS_POSSIBLE, DiskFull
from eventstreams.verify.nemesis.host import ClockStep, Hosts, NoNames, compiler
from eventstreams.verify.nemesis.processes import Ended, Frozen, Starved
from tests.support.stage import Stage, open_stage
from tests.support.topic import eventually

STILL_S = 0.5  # twenty counts


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as stage:
        yield stage


@pytest.mark.parametrize("number", [SIGKILL, SIGTERM], ids=lambda number: number.name)
async def test_a_program_that_is_ended_comes_back_as_another_process(stage: Stage, number: Signals) -> None:
    for name in ("one", "other"):
        await stage.play(name)
    before = dict(stage.supervisor.pids)
    fault = Ended(stage, ["one", "other"], number)

    await fault.inflict()
    await fault.heal()

    assert [each.how for each in stage.deaths] == [f"signal {number.name}"] * 2
    assert before.keys() == stage.supervisor.pids.keys()
    assert not set(before.values()) & set(stage.supervisor.pids.values())
    await stage.advances("one")


async def test_a_frozen_process_makes_no_progress_and_goes_on_as_the_same(stage: Stage) -> None:
    await stage.play("one")
    pid = stage.pid("one")
    fault = Frozen(stage, "one")

    await fault.inflict()
    await asyncio.sleep(0.1)  # what it was just doing
    before = stage.count("one")
    await asyncio.sleep(STILL_S)
    after = stage.count("one")
    await fault.heal()

    assert after == before
    await stage.advances("one")
    assert stage.pid("one") == pid


async def test_a_starved_process_gets_a_fraction_of_the_time(stage: Stage) -> None:
    await stage.play("one", BUSY)
    rate = await rate_of(stage)
    fault = Starved(stage, "one", share=0.1)

    await fault.inflict()
    while (starved := await rate_of(stage)) > rate / 2:  # where the machine is busy, whoever starves it comes late
        pass
    await fault.heal()

    assert starved > 0
    await stage.advances("one")


BUSY = """
import sys, time
done = 0
while True:
    done += 1
    if done % 2000 == 0:
        with open(sys.argv[1], "w") as file:
            file.write(str(time.process_time()))
"""


async def rate_of(stage: Stage) -> float:
    """The part of a second in which it ran or could have: what else the machine does takes nothing of it."""
    schedule = Path(f"/proc/{stage.pid('one')}/schedstat")  # on a processor, and waiting for one, in nanoseconds

    def ready_s() -> float:
        return sum(map(int, schedule.read_text().split()[:2])) / 1e9

    began, before = time.monotonic(), ready_s()
    await asyncio.sleep(1)
    return (ready_s() - before) / (time.monotonic() - began)


async def test_programs_that_are_gone_stay_away_until_they_are_healed(stage: Stage) -> None:
    for name in ("one", "other"):
        await stage.play(name)
    fault = Gone(stage, ["one"])

    await fault.inflict()
    assert stage.pid("one") is None
    (stage.folder / "one").unlink()
    await asyncio.sleep(STILL_S)  # longer than a supervisor waits
    assert stage.pid("one") is None
    assert not (stage.folder / "one").exists()
    await fault.heal()

    await stage.advances("one")
    await stage.advances("other")


@pytest.mark.parametrize("cut_short", [False, True])
async def test_a_storm_goes_from_one_copy_to_four_and_to_one_and_ends_where_it_began(
    stage: Stage, *, cut_short: bool
) -> None:
    for name in ("router-1", "router-2"):
        await stage.play(name)
    fault = Storm(stage, "router", present=2, lasts_s=0.4)
    seen: list[int] = []

    def see(wanted: int) -> bool:
        seen.append(len(stage.supervisor.pids))
        return seen[-1] == wanted

    await fault.inflict()
    # A process takes its time to start on a busy machine: each number of copies is seen, however long that takes.
    await eventually(lambda: see(4))
    if not cut_short:
        await eventually(lambda: see(1))
    await fault.heal()

    assert min(seen) == 1
    assert stage.supervisor.pids.keys() == {"router-1", "router-2"}
    assert stage.deaths == []  # each was asked to go


WRITES = """
import sys, time
written = 0
while True:
    try:
        with open(sys.argv[1] + ".data", "ab", buffering=0) as file:
            written += file.write(b"x" * 4096)
    except OSError as error:
        print(error.errno, flush=True)
    else:
        with open(sys.argv[1], "w") as file:
            file.write(str(written))
    time.sleep(0.02)
"""


@pytest.mark.skipif(not IS_POSSIBLE, reason="limits of another process can be set on Linux alone")
async def test_on_a_full_disk_no_write_succeeds_not_even_after_a_restart(stage: Stage) -> None:
    await stage.play("one", WRITES)
    await stage.advances("one")
    fault = DiskFull(stage, "one")
    log = stage.folder / "one.log"

    await fault.inflict()
    await eventually(lambda: "27" in log.read_text(), what=log.read_text)  # EFBIG
    full = (stage.folder / "one.data").stat().st_size
    restart = Ended(stage, ["one"], SIGKILL)
    await restart.inflict()
    await restart.heal()
    told = len(log.read_text())
    await eventually(lambda: len(log.read_text()) > told)
    assert (stage.folder / "one.data").stat().st_size <= full + 4096  # one write before the new process was limited
    await fault.heal()

    await eventually(lambda: (stage.folder / "one.data").stat().st_size > full + 4096)


NEEDS_CC = pytest.mark.skipif(compiler() is None, reason="needs Linux and a C compiler")

CLOCK = """
import sys, time, threading
start = time.time() - time.monotonic()
never = threading.Event()
while True:
    with open(sys.argv[1], "w") as file:
        file.write(str(1 + abs(round(time.time() - time.monotonic() - start))))
    never.wait(0.02)
"""


@NEEDS_CC
@pytest.mark.parametrize("ahead_s", [100.0, -100.0])
async def test_a_clock_that_is_stepped_is_off_by_so_much_and_then_right_again(stage: Stage, ahead_s: float) -> None:
    hosts = Hosts.compile(stage.folder)
    await stage.play("one", CLOCK, environ=hosts.environ("one"))
    assert stage.count("one") == 1
    fault = ClockStep(hosts.of("one"), ahead_s)

    await fault.inflict()
    await eventually(lambda: stage.count("one") == 101, what=lambda: str(stage.count("one")))
    await fault.heal()

    await eventually(lambda: stage.count("one") == 1)
    assert stage.deaths == []


NAMES = """
import socket, sys, time
while True:
    found = 0
    for name in ("localhost", "127.0.0.1"):
        try:
            found += bool(socket.getaddrinfo(name, 80))
        except socket.gaierror as error:
            assert error.errno == socket.EAI_AGAIN
    with open(sys.argv[1], "w") as file:
        file.write(str(found))
    time.sleep(0.02)
"""


@NEEDS_CC
async def test_a_resolver_that_fails_finds_no_names_but_addresses_and_then_all(stage: Stage) -> None:
    hosts = Hosts.compile(stage.folder)
    await stage.play("one", NAMES, environ=hosts.environ("one"))
    await eventually(lambda: stage.count("one") == 2)
    fault = NoNames(hosts.of("one"))

    await fault.inflict()
    await eventually(lambda: stage.count("one") == 1)
    await fault.heal()

    await eventually(lambda: stage.count("one") == 2)
    assert stage.deaths == []
