"""``eventstreams up`` as a test starts, watches and ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from twilio.rest import Client

from eventstreams.settings import PREFIX, Settings
from tests.support import forks

TOKEN = "token-of-the-test"
COMMAND = (sys.executable, "-m", "eventstreams", "up")
READY_S = 240.0
STOP_S = 120.0


def clean_environ() -> dict[str, str]:
    """This process's environment without settings, but for where downloads are."""
    kept = f"{PREFIX}CACHE_DIR"
    return {name: value for name, value in os.environ.items() if name == kept or not name.startswith(PREFIX)}


def variables(settings: Settings) -> Mapping[str, str]:
    """The environment that makes ``settings`` those of another process."""
    given: Mapping[str, object] = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": settings.replication_factor,
        "EVENTS_PARTITIONS": settings.events_partitions,
        "ATTEMPTS_PARTITIONS": settings.attempts_partitions,
        "RETRY_PARTITIONS": settings.retry_partitions,
        "RETRY_DELAYS": "200ms,1s",
        "SECRET_KEY": settings.secret_key.get_secret_value() if settings.secret_key else "",
        "ADMIN_LISTEN": "127.0.0.1:0",
        "LOG_LEVEL": "error",
    }
    return {f"{PREFIX}{name}": str(value) for name, value in given.items()}


class Up:
    """A running ``eventstreams up``; what it says goes to ``said``."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        forked: bool = True,
    ) -> None:
        self.folder = folder
        self.said = folder.with_suffix(".said")
        with self.said.open("wb") as out:  # what an earlier one on this folder said is no news
            start = forks.popen if forked else subprocess.Popen
            self.process = start(
                [*command, "--data-dir", str(folder), *arguments],
                env=clean_environ() | {"EVENTSTREAMS_ALLOWED_DESTINATIONS": "127.0.0.0/8"} | dict(env or {}),
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.said.read_text()

    @property
    def about(self) -> dict[str, Any]:
        """What ``run.json`` says now."""
        found: dict[str, Any] = orjson.loads((self.folder / "run.json").read_bytes())
        return found

    def wait_until(self, words: str, *, timeout_s: float = READY_S) -> None:
        """Return once it has said a line that has ``words`` in it."""
        deadline = time.monotonic() + timeout_s
        while not any(words in line for line in self.text.splitlines()):
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.text}")
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not say {words!r}: {self.text}\n{self.logs()}")
            time.sleep(0.02)

    def kill(self, role: str) -> None:
        """End a role with SIGKILL, and return once another process has taken its place."""
        pid = self.about["pids"][role]
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + READY_S
        while self.about["pids"].get(role, pid) == pid:
            if time.monotonic() > deadline:
                raise AssertionError(f"{role} was not started again: {self.text}")
            time.sleep(0.02)

    def stop(self) -> int:
        """End it in order; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def client(self) -> Client:
        """Twilio's own client for the first account."""
        client = Client(self.about["account_sid"], TOKEN)
        client.events.base_url = self.about["api"]
        return client

    def logs(self) -> str:
        """The end of every log, for the text of a failure."""
        files = sorted((self.folder / "logs").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text()[-2000:]}" for file in files)


@contextmanager
def running_up(
    folder: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    forked: bool = True,
) -> Iterator[Up]:
    """A system that is ready, on ports of its own unless ``arguments`` say others; ``command`` takes them.

    Where it is ours, it and its roles are forked (tests/support/forks.py); without ``forked`` they start truly.
    """
    told = {"EVENTSTREAMS_AUTH_TOKEN": TOKEN, **(env or {})}
    up = Up(folder, *(arguments or ("--port", "0")), env=told, command=command, forked=forked)
    try:
        up.wait_until("ready")
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()
