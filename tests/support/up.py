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
    """Return this process's environment without our settings, except where downloads are cached."""
    kept = f"{PREFIX}CACHE_DIR"
    return {name: value for name, value in os.environ.items() if name == kept or not name.startswith(PREFIX)}


def variables(settings: Settings) -> Mapping[str, str]:
    """Return the environment variables that give another process these ``settings``."""
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
    """A running ``eventstreams up``; its output goes to ``said``."""

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
        with self.said.open("wb") as out:  # overwrites the output of an earlier run in this folder
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
        """The current content of ``run.json``."""
        found: dict[str, Any] = orjson.loads((self.folder / "run.json").read_bytes())
        return found

    def wait_until(self, words: str, *, timeout_s: float = READY_S) -> None:
        """Return once its output has a line that contains ``words``."""
        deadline = time.monotonic() + timeout_s
        while not any(words in line for line in self.text.splitlines()):
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.text}")
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not say {words!r}: {self.text}\n{self.logs()}")
            time.sleep(0.02)

    def kill(self, role: str) -> None:
        """Kill a role with SIGKILL; return once another process has taken its place."""
        pid = self.about["pids"][role]
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + READY_S
        while self.about["pids"].get(role, pid) == pid:
            if time.monotonic() > deadline:
                raise AssertionError(f"{role} was not started again: {self.text}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Shut it down gracefully; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def client(self) -> Client:
        """Twilio's own client for the first account."""
        client = Client(self.about["account_sid"], TOKEN)
        client.events.base_url = self.about["api"]
        return client

    def logs(self) -> str:
        """Return the end of every log, for failure messages."""
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
    """Run a system, on free ports unless ``arguments`` name others, passed to ``command``; yields it once ready.

    If ``command`` is ours, it and its roles are forked (tests/support/forks.py); without ``forked`` they really start.
    """
    told = {"EVENTSTREAMS_AUTH_TOKEN": TOKEN, **(env or {})}
    up = Up(folder, *(arguments or ("--port", "0")), env=told, command=command, forked=forked)
    try:
        up.wait_until("ready")
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()
