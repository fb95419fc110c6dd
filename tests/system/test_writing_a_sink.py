"""``docs/writing-a-sink.md`` as its reader follows it: every command is run, and in the end there are jobs."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fake_beanstalkd import FakeBeanstalkd
from tests.support.page import blocks_of
from tests.support.topic import eventually
from tests.support.venv import Environment

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
BLOCKS = blocks_of(ROOT / "docs" / "writing-a-sink.md")
COMMANDS = [block.text for block in BLOCKS if block.language == "sh"]
READY_S = 90.0


@pytest.fixture
def reader(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What the reader has written, from the page alone."""
    folder = tmp_path / "eventstreams-beanstalk"
    for block in BLOCKS:
        if block.file is not None:
            file = folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{block.text}\n")
    return folder


async def run(environment: Environment, commands: str, *, cwd: Path, kafka: str | None = None) -> str:
    """Run ``commands`` as a shell does, stopping at the first that fails; what they printed."""
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands),
        cwd=cwd,
        env=environment.environ({"EVENTSTREAMS_KAFKA": kafka} if kafka else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await shell.communicate()
    assert shell.returncode == 0, said.decode()
    return said.decode()


@asynccontextmanager
async def started(environment: Environment, commands: str, *, cwd: Path) -> AsyncIterator[dict[str, str]]:
    """Run ``commands``, which end with ``eventstreams up``, meanwhile; what it says by the first word of each line."""
    assert commands.endswith(" eventstreams up")
    said = cwd / "up.said"
    with said.open("wb") as out:
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-euc", f"{commands} --port 0"),  # another port than the page's: others may be running
            cwd=cwd,
            env=environment.environ(),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        await eventually(
            lambda: "ready" in said.read_text().split() or shell.returncode is not None,
            timeout_s=READY_S,
            what=said.read_text,
        )
        assert shell.returncode is None, said.read_text()
        yield dict(line.split(maxsplit=1) for line in said.read_text().splitlines() if len(line.split()) > 1)
    finally:
        if shell.returncode is None:
            os.killpg(shell.pid, signal.SIGINT)  # Ctrl-C
            await shell.wait()


async def test_its_reader_ends_with_events_as_jobs(reader: Environment, package: Path) -> None:
    install, up, subscribe, look = COMMANDS

    said = await run(reader, install, cwd=package)
    assert "passed" in said
    assert "skipped" not in said

    async with FakeBeanstalkd().listening() as beanstalkd, started(reader, up, cwd=package) as running:
        here = subscribe.replace("http://127.0.0.1:8080/v1", running["API"])
        here = here.replace('"host": "127.0.0.1"', f'"host": "127.0.0.1", "port": {beanstalkd.port}')
        await run(reader, here, cwd=package, kafka=running["Kafka"])
        await eventually(lambda: bool(beanstalkd.jobs))

        assert "FOUND 1 " in await asked(beanstalkd, look)


async def asked(beanstalkd: FakeBeanstalkd, look: str) -> str:
    """What the server answers to the commands that ``look`` pipes into nc, which is not everywhere."""
    found = re.fullmatch(r"printf '(.*)' \| nc 127\.0\.0\.1 11300", look)
    assert found is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", beanstalkd.port)
    writer.write(found[1].replace("\\r\\n", "\r\n").encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()
