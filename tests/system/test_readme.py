"""What the README and the docs tell a reader to do works as it stands there."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from eventstreams.catalog import Catalog
from tests.support.page import blocks_of
from tests.support.up import TOKEN, Up, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Started as the pages say; what `make setup` makes there, this runs in."""
    [shown] = [block for block in blocks("docs/start.md", "sh") if "eventstreams up" in block]
    assert shown in blocks("README.md", "sh")
    setup, start = shown.splitlines()
    assert setup == "make setup"
    script = start.replace(".venv/bin/eventstreams up", f'exec {sys.executable} -m eventstreams up "$@"')
    with running_up(tmp_path_factory.mktemp("up") / "data", command=["bash", "-ec", script, "bash"]) as up:
        yield up


class Reader:
    """Somebody who copies from the README, on other ports than those in it."""

    def __init__(self, up: Up, receiver_port: str) -> None:
        self.about = up.about
        self._places = {
            "http://127.0.0.1:8080": self.about["api"],
            "http://127.0.0.1:8081": self.about["gateway"],
            "http://127.0.0.1:9000/": f"http://127.0.0.1:{receiver_port}/",
            ".venv/bin/eventstreams listen": f"exec {sys.executable} -m eventstreams listen --listen 127.0.0.1:0",
            ".venv/bin/eventstreams": f"{sys.executable} -m eventstreams",
            " --listen 127.0.0.1:9001": "",
            ".venv/bin/python examples/receiver.py $TOKEN": f"exec {sys.executable} examples/receiver.py $TOKEN 0",
            "AC7e6fc488554b8905a88c0fd9caa829f0": self.about["account_sid"],
            "9607d6fd25522be795e7a98576477f8a": TOKEN,
            ". .eventstreams/env": f". {up.folder / 'env'}",
            "--rate 5 --duration 10s": "--rate 50 --count 50",
        }
        self._env = os.environ | {
            "SID": self.about["account_sid"],
            "TOKEN": TOKEN,
            "EVENTSTREAMS_ACCOUNT_SID": self.about["account_sid"],
            "EVENTSTREAMS_AUTH_TOKEN": TOKEN,
            "EVENTSTREAMS_KAFKA": self.about["kafka"],
            "EVENTSTREAMS_PUBLIC_URL": self.about["api"],
        }

    def run(self, command: list[str], text: str) -> str:
        text = self.here(text)
        done = subprocess.run(
            [*command, text], cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, command: list[str], text: str, said: Path) -> "subprocess.Popen[bytes]":
        """Run it until it is ended; what it says goes to ``said``."""
        with said.open("wb") as out:
            return subprocess.Popen(
                [*command, self.here(text)], cwd=ROOT, env=self._env, stdout=out, stderr=subprocess.STDOUT
            )

    def here(self, text: str) -> str:
        """``text`` with this installation's addresses and account."""
        for place, here in self._places.items():
            text = text.replace(place, here)
        return text


def blocks(file: str, language: str) -> list[str]:
    return [block.text for block in blocks_of(ROOT / file) if block.language == language]


def test_up_says_what_the_readme_shows_of_it(up: Up) -> None:
    [shown] = [block for block in blocks("README.md", "") if "Account SID" in block]

    assert [_form_of(line) for line in up.text.splitlines()] == [_form_of(line) for line in shown.splitlines()]


def _form_of(line: str) -> tuple[str, str]:
    """What stands before the value of a line, and the path of an address."""
    label, _, value = line.partition("  ")
    return label, urlsplit(value.strip()).path if "http://" in value else ""


def test_what_the_readme_says_brings_events_to_the_receiver(up: Up, tmp_path: Path) -> None:
    assert shutil.which("curl"), "the README's commands use curl: install it"
    [receive] = [block for block in blocks("README.md", "sh") if "receiver.py" in block]
    receiver = Reader(up, "").start(["sh", "-ec"], receive, tmp_path / "printed")
    try:
        listening = wait_for(r"http://127\.0\.0\.1:(\d+)/", tmp_path / "printed")
        reader = Reader(up, listening[0])
        [client] = blocks("README.md", "python")
        [curl] = [block for block in blocks("README.md", "sh") if "/v1/Sinks" in block]
        [events] = [block for block in blocks("README.md", "sh") if "eventstreams publish" in block]

        reader.run([sys.executable, "-c"], client)
        sink, subscription = re.split(r"\n(?=curl)", curl.strip())
        made = json.loads(reader.run(["sh", "-ec"], sink.replace("curl ", "curl -fsS ")))
        reader.run(["sh", "-ec"], subscription.replace("curl ", "curl -fsS ").replace("DG…", made["sid"]))
        reader.run(["sh", "-ec"], events.replace("curl ", "curl -fsS "))

        # From the command line and over HTTP, to two subscriptions each.
        wait_for(r"com\.twilio\.messaging\.message\.sent (\S+) .*SM0{31}1", tmp_path / "printed", count=4)
    finally:
        receiver.terminate()
        receiver.wait()


def test_who_starts_as_the_docs_say_receives_an_event(up: Up, tmp_path: Path) -> None:
    page = blocks("docs/start.md", "sh")
    [listen] = [block for block in page if "eventstreams listen" in block]
    [publish] = [block for block in page if "eventstreams publish" in block]
    [look] = [block for block in page if "eventstreams tail" in block]
    reader = Reader(up, "0")
    receiver = reader.start(["sh", "-ec"], listen, tmp_path / "said")
    try:
        wait_for(r"http://127\.0\.0\.1:\d+/", tmp_path / "said")
        reader.run(["sh", "-ec"], publish)
        [shown] = blocks("docs/start.md", "")
        [event] = wait_for(r"^200 +com\.twilio\.messaging\.message\.sent +(\S+) +#1", tmp_path / "said")
    finally:
        receiver.send_signal(signal.SIGINT)
        receiver.wait()
    [line] = [each for each in (tmp_path / "said").read_text().splitlines() if event in each]
    assert [each for each in shown.split(maxsplit=4) if "…" not in each] == [
        each for at, each in enumerate(line.split(maxsplit=4)) if "…" not in shown.split(maxsplit=4)[at]
    ]
    assert line.split(maxsplit=4)[4].startswith('{"messageSid"')

    said = reader.run(["sh", "-ec"], look.replace("tail", f"tail --count 1 --event {event}").replace("EZ…", event))
    assert "delivered" in said

    # The same from README.md, which has both in one block.
    [both] = [block for block in blocks("README.md", "sh") if "eventstreams listen" in block]
    settings, listen, follow = both.splitlines()
    receiver = reader.start(["sh", "-ec"], f"{settings}\n{listen}", tmp_path / "said again")
    try:
        wait_for(r"http://127\.0\.0\.1:\d+/", tmp_path / "said again")
    finally:
        receiver.send_signal(signal.SIGINT)
        assert receiver.wait() == 0
    assert reader.run(["sh", "-ec"], f"{settings}\n{follow} --count 1").strip()


def test_the_python_about_the_api_subscribes_a_sink(up: Up) -> None:
    [program] = blocks("docs/api.md", "python")
    reader = Reader(up, "0")

    reader.run(
        [sys.executable, "-c"], program.replace("AC…", reader.about["account_sid"]).replace('"token"', repr(TOKEN))
    )

    [sink] = [each for each in up.client().events.v1.sinks.list() if each.description == "orders"]
    [subscription] = up.client().events.v1.subscriptions.list(sink_sid=sink.sid)
    assert len(subscription.subscribed_events.list()) == 2


def test_the_event_type_of_the_docs_can_be_published(up: Up, tmp_path: Path) -> None:
    page = "docs/adding-an-event-type.md"
    (tmp_path / "Logistics.Parcel").mkdir()
    (tmp_path / "catalog.yaml").write_text(blocks(page, "yaml")[0])
    for name, content in zip(("1.avsc", "2.avsc", "example.json"), blocks(page, "json"), strict=True):
        (tmp_path / "Logistics.Parcel" / name).write_text(content)
    assert "com.acme.parcel.delivered" in Catalog.load([tmp_path]).types
    [publish] = [block for block in blocks(page, "sh") if "eventstreams publish" in block]
    reader = Reader(up, "0")
    text = publish.replace("DIRS=catalog", f"DIRS={tmp_path}").replace("AC…", reader.about["account_sid"])

    reader.run(["sh", "-ec"], text.replace("| eventstreams", f"| {sys.executable} -m eventstreams"))


def wait_for(pattern: str, file: Path, *, count: int = 1) -> list[str]:
    deadline = time.monotonic() + 120
    while len(found := re.findall(pattern, file.read_text(), re.MULTILINE)) < count:
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.05)
    return list(found)
