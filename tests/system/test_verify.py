"""Processes and the broker are killed in the middle of a stream, and every event is judged, at every subscription."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from eventstreams.local.state import State
from eventstreams.settings import Settings
from eventstreams.verify.environment import Options
from eventstreams.verify.faults import Inflicted
from eventstreams.verify.report import text_of
from eventstreams.verify.run import Report, verify
from eventstreams.verify.subscribing import Installation
from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.up import TOKEN, Up, clean_environ, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

RECEIVERS = ("healthy", "single", "failing", "drop-n", "refusing", "away")
EVENTS = 3_000
RATE = 250.0  # 12 s: longer than it takes until the first process has died


@dataclass
class Kills:
    """A nemesis: kills what it is told, one round after another, while events are published."""

    up: Up
    rounds: Sequence[Sequence[str]]
    done: list[Inflicted] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> Sequence[Inflicted]:
        for roles in self.rounds:
            for role in roles:
                began = time.monotonic()
                await asyncio.to_thread(self.up.kill, role)
                self.done.append(Inflicted("kill", role, began, time.monotonic()))
        await stop.wait()
        return self.done


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    env = {"EVENTSTREAMS_RETRY_DELAYS": "500ms,2s", "EVENTSTREAMS_RETRY_PARTITIONS": "4"}
    # Truly started: a process is known by its environment, and the system tells of a forked one that of its parent.
    with running_up(tmp_path_factory.mktemp("up") / "data", env=env, forked=False) as up:
        yield up


async def run(up: Up, nemesis: Kills | None, *, misbehave_s: float = 3.0) -> Report:
    installation = Installation(
        api=up.about["api"], gateway=up.about["gateway"], operator_token=State.load(up.folder).operator_token
    )
    options = Options(
        events=EVENTS,
        rate=RATE,
        receivers=RECEIVERS,
        seed=1,
        settle_s=240,
        misbehave_s=misbehave_s,
        most_duplicates=1.0,  # on a machine that is busy with other tests a worker can lose its share by itself
        listen="127.0.0.1:0",
        receiver_host="127.0.0.1",
        is_alone=True,
        data=up.folder,
    )
    return await verify(
        installation, options, kafka=Settings.load(kafka=up.about["kafka"]), nemesis=nemesis, say=lambda *_: None
    )


async def test_killing_every_role_and_the_broker_in_mid_stream_loses_invents_and_alters_nothing(up: Up) -> None:
    nemesis = Kills(up, [("router", "worker-webhook", "gateway", "api"), ("kafka",)])

    report = await run(up, nemesis)

    assert report.verdict.holds, f"{text_of(report)}\n{up.text}\n{up.logs()}"
    assert len(report.inflicted) == 5
    assert min(each.began_s for each in report.inflicted) < report.began + EVENTS / RATE
    assert all(score.expected > 0.9 * EVENTS for score in report.verdict.scores)
    dead = {score.name: score.dead for score in report.verdict.scores}
    assert dead["4 refusing"]["refused"] > 0
    seen = {life.name for life in report.usage.lives}
    assert {"kafka", "router", "worker-webhook", "api", "gateway"} <= seen
    assert {topic.kind for topic in report.usage.topics} >= {"es.events", "es.sub", "es.retry", "es.control"}
    # The roles wait for their broker; to lose them as well would be a fault of ours (a client has crashed here before).
    # One that was just starting may give up after its time to wait for a broker (4) and start again.
    ended = [line for line in up.text.splitlines() if " exited (" in line]
    assert [line for line in ended if "SIGKILL" not in line and "(exit code 4)" not in line] == []


def test_the_command_judges_a_running_installation_by_its_api_alone(up: Up, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    command = [
        sys.executable,
        "-m",
        "eventstreams",
        "verify",
        "--api",
        up.about["api"],
        "--gateway",
        up.about["gateway"],
    ]
    arguments = ["--events", "300", "--receivers", "healthy,refusing", "--duplicates", "100", "--report", str(page)]
    account = {"EVENTSTREAMS_ACCOUNT_SID": up.about["account_sid"], "EVENTSTREAMS_AUTH_TOKEN": TOKEN}

    done = subprocess.run(
        [*command, *arguments, "--listen", "127.0.0.1:0", "-o", "json"],
        env=clean_environ() | account,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    told = orjson.loads(done.stdout)
    assert [score["missing"] for score in told["subscriptions"]] == [0, 0], done.stdout + done.stderr
    assert told["subscriptions"][1]["dead"]["refused"] > 0
    assert done.returncode == (0 if told["holds"] else 1)
    assert "eventstreams verify" in page.read_text()
    assert up.client().events.v1.sinks.list() == []  # all is cleared up


def test_it_runs_as_docs_verify_md_says_and_prints_what_the_page_shows(up: Up) -> None:
    page = blocks_of(ROOT / "docs/verify.md")
    [typed] = [each.text for each in page if "--api" in each.text]
    [shown] = [each.text for each in page if "it holds" in each.text]
    places = {
        "https://events.example.com": up.about["api"],
        "https://publish.example.com": up.about["gateway"],
        "kafka:9092": up.about["kafka"],
        "EVENTSTREAMS_OPERATOR_TOKEN=…": f"EVENTSTREAMS_OPERATOR_TOKEN={State.load(up.folder).operator_token}",
        "pip install '": f"{sys.executable} -m pip install --no-index '",  # that all of it is here already, pip finds
        "eventstreams verify": f"{sys.executable} -m eventstreams verify",
    }
    for place, here in places.items():
        typed = typed.replace(place, here)
    load = "--events 300 --receivers healthy,refusing --listen 127.0.0.1:0 --duplicates 100"

    done = subprocess.run(
        ["bash", "-ec", f"{typed} {load}"],
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if not line.startswith("this machine was busy")]
    assert [words(line) for line in told[-len(shown.splitlines()) :]] == [words(line) for line in shown.splitlines()]


def words(line: str) -> list[str]:
    """A line without its numbers, and without what a busy machine adds to it."""
    return re.findall(r"[a-z]+", re.sub(r" \([\d,]+ of events that were published again\)", "", line))
