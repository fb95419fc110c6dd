"""The supervisor: keeps programs running, says what it does, and leaves nothing behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventstreams.errors import PrerequisiteError
from eventstreams.local.supervisor import Death, Program, Supervisor, next_pause
from tests.support.topic import eventually


def program(
    folder: Path, code: str, *, name: str = "one", stop_s: float = 30.0, hopeless: frozenset[int] = frozenset()
) -> Program:
    command = [sys.executable, "-c", code]
    return Program(name, command, log=folder / f"{name}.log", stop_s=stop_s, hopeless=hopeless)


RUNS = "import time; print('runs', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('runs', flush=True); time.sleep(600)"


class Watched:
    """A supervisor and what it told."""

    def __init__(self) -> None:
        self.deaths: list[Death] = []
        self.starts = 0
        self.supervisor = Supervisor(on_death=self.deaths.append, on_start=self._on_start)

    def _on_start(self) -> None:
        self.starts += 1


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    async with watched.supervisor:
        yield watched


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_programs_that_end_together_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Each ends well only if the other has been told to end by then."""
    code = """
import signal, sys, time
from pathlib import Path
mine, other = map(Path, sys.argv[1:])
def end(*_):
    mine.write_text("told")
    while not other.exists():
        time.sleep(0.01)
    mine.write_text("ended")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("runs", flush=True)
time.sleep(600)
"""
    files = [tmp_path / "told-1", tmp_path / "told-2"]
    async with Supervisor(on_death=lambda _: None) as supervisor:
        for name, (mine, other) in {"one": files, "two": files[::-1]}.items():
            log = tmp_path / f"{name}.log"
            command = [sys.executable, "-c", code, str(mine), str(other)]
            await supervisor.start(Program(name, command, log=log, stop_s=20, ends_with="both"))
            await eventually(lambda log=log: "runs" in log.read_text())  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    assert [each.read_text() for each in files] == ["ended", "ended"]


async def test_a_program_that_ends_is_started_again_and_said_so(tmp_path: Path, watched: Watched) -> None:
    await watched.supervisor.start(program(tmp_path, "print('first'); print('last words'); raise SystemExit(7)"))

    await eventually(lambda: watched.starts >= 3)

    first, second, *_ = watched.deaths
    assert (first.program.name, first.how, first.last_words) == ("one", "exit code 7", "last words")
    assert not first.was_killed
    assert (first.restart_s, second.restart_s) == (0.2, 0.4)


def test_the_pause_before_a_start_doubles_up_to_ten_seconds() -> None:
    assert [next_pause(deaths) for deaths in (1, 2, 3, 6, 7, 1000)] == [0.2, 0.4, 0.8, 6.4, 10.0, 10.0]


async def test_a_program_that_is_killed_is_started_again_as_another_process(tmp_path: Path, watched: Watched) -> None:
    await watched.supervisor.start(program(tmp_path, RUNS))
    pid = watched.supervisor.pids["one"]

    os.kill(pid, 9)

    await eventually(lambda: watched.supervisor.pids.get("one", pid) != pid)
    assert [(death.how, death.was_killed) for death in watched.deaths] == [("signal SIGKILL", True)]


async def test_a_program_that_a_nameless_signal_ended_is_started_again(tmp_path: Path, watched: Watched) -> None:
    await watched.supervisor.start(program(tmp_path, RUNS))

    os.kill(watched.supervisor.pids["one"], signal.SIGRTMIN + 1)

    await eventually(lambda: watched.starts == 2)
    assert [(death.how, death.was_killed) for death in watched.deaths] == [(f"signal {signal.SIGRTMIN + 1}", True)]


async def test_a_hopeless_end_is_final(tmp_path: Path, watched: Watched) -> None:
    code = "import sys; print('no key', file=sys.stderr); sys.exit(2)"

    await watched.supervisor.start(program(tmp_path, code, hopeless=frozenset({2})))

    await eventually(lambda: bool(watched.deaths))
    [death] = watched.deaths
    assert (death.restart_s, death.last_words) == (None, "no key")
    assert dict(watched.supervisor.pids) == {}


async def test_leaving_ends_every_program(tmp_path: Path) -> None:
    watched = Watched()
    async with watched.supervisor as supervisor:
        for name in ("one", "two"):
            await supervisor.start(program(tmp_path, RUNS, name=name))
        pids = list(supervisor.pids.values())

    assert len(pids) == 2
    assert not any(map(alive, pids))
    assert watched.deaths == []


async def test_the_last_started_is_ended_first(tmp_path: Path) -> None:
    tell = (
        "import signal, sys, time, pathlib\n"
        "def end(*_):\n"
        f"    with open({str(tmp_path / 'order')!r}, 'a') as out: out.write(sys.argv[1])\n"
        "    sys.exit()\n"
        "signal.signal(15, end)\n"
        f"pathlib.Path({str(tmp_path)!r}, 'ready' + sys.argv[1]).touch()\n"
        "time.sleep(600)"
    )
    async with Watched().supervisor as supervisor:
        for name in "abc":
            made = Program(name, [sys.executable, "-c", tell, name], log=tmp_path / f"{name}.log", stop_s=200.0)
            await supervisor.start(made)
        await eventually(lambda: all((tmp_path / f"ready{name}").exists() for name in "abc"))

    assert (tmp_path / "order").read_text() == "cba"


async def test_a_program_that_does_not_listen_is_killed_in_the_end(tmp_path: Path) -> None:
    async with Watched().supervisor as supervisor:
        await supervisor.start(program(tmp_path, DEAF, stop_s=0.2))
        await eventually(lambda: "runs" in (tmp_path / "one.log").read_text())
        pid = supervisor.pids["one"]

    assert not alive(pid)


async def test_who_asks_twice_does_not_wait(tmp_path: Path) -> None:
    async with Watched().supervisor as supervisor:
        await supervisor.start(program(tmp_path, DEAF, stop_s=600.0))
        await eventually(lambda: "runs" in (tmp_path / "one.log").read_text())
        pid = supervisor.pids["one"]
        asyncio.get_running_loop().call_later(0.1, supervisor.kill_soon)

    assert not alive(pid)


async def test_a_large_log_makes_room_for_another(tmp_path: Path, watched: Watched) -> None:
    (tmp_path / "one.log").write_bytes(b"x" * (11 << 20))

    await watched.supervisor.start(program(tmp_path, RUNS))

    await eventually(lambda: (tmp_path / "one.log").read_text() == "runs\n")
    assert (tmp_path / "one.log.1").stat().st_size == 11 << 20


@pytest.mark.parametrize("kill", [False, True])
async def test_a_program_that_is_ended_alone_is_not_started_again(
    tmp_path: Path, watched: Watched, *, kill: bool
) -> None:
    for name in ("one", "other"):
        await watched.supervisor.start(program(tmp_path, RUNS if not kill else DEAF, name=name))
    pids = dict(watched.supervisor.pids)

    await watched.supervisor.end("one", kill=kill)

    assert not alive(pids["one"])
    assert watched.supervisor.pids == {"other": pids["other"]}
    assert watched.deaths == []
    await watched.supervisor.start(program(tmp_path, RUNS, name="one"))
    assert watched.supervisor.pids.keys() == {"one", "other"}
    await watched.supervisor.end("other", kill=True)  # a deaf one would be waited for


async def test_a_program_that_cannot_be_started_is_an_error_and_no_endless_wait(
    tmp_path: Path, watched: Watched
) -> None:
    (tmp_path / "one.log").mkdir()

    with pytest.raises(PrerequisiteError, match=r"^one cannot be started: .*one\.log: Is a directory$"):
        async with asyncio.timeout(60):
            await watched.supervisor.start(program(tmp_path, RUNS))

    assert (watched.starts, watched.deaths) == (0, [])


async def test_a_program_that_cannot_be_started_again_for_a_while_is_tried_until_it_can(
    tmp_path: Path, watched: Watched
) -> None:
    await watched.supervisor.start(program(tmp_path, RUNS))
    log = tmp_path / "one.log"
    log.unlink()
    log.mkdir()

    os.kill(watched.supervisor.pids["one"], 9)
    await eventually(lambda: len(watched.deaths) >= 2)
    log.rmdir()

    await eventually(lambda: watched.starts == 2)
    killed, not_started, *_ = watched.deaths
    assert (killed.how, killed.last_words) == ("signal SIGKILL", "")
    assert (not_started.how, not_started.restart_s) == (f"cannot be started: {log}: Is a directory", 0.4)


async def test_the_last_words_of_a_program_that_wrote_much_are_found_at_the_end(
    tmp_path: Path, watched: Watched
) -> None:
    code = "print('long ago ' * 100_000); print('last words'); raise SystemExit(7)"

    await watched.supervisor.start(program(tmp_path, code, hopeless=frozenset({7})))

    await eventually(lambda: bool(watched.deaths))
    assert watched.deaths[0].last_words == "last words"
