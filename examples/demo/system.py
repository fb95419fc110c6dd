"""``eventstreams up`` as a child process of the demo, with a folder, ports and an account of its own."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from eventstreams.settings import PREFIX
from eventstreams.sids import SidKind, new_sid

_READY_S: Final = 120.0
_STOP_S: Final = 60.0
# Retry delays short enough to watch; the real ones are 5 s to 30 min.
_SETTINGS: Final = {"ALLOWED_DESTINATIONS": "127.0.0.0/8", "RETRY_DELAYS": "1s,2s,5s", "RETRY_PARTITIONS": "4"}


@dataclass(frozen=True, slots=True)
class System:
    """Addresses and credentials of the running system."""

    api: str
    kafka: str
    router_metrics: str
    worker_metrics: str
    account_sid: str
    auth_token: str


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


def forget_settings() -> None:
    """Drop settings from the environment: the demo is an installation of its own. Keep the download cache's."""
    for name in list(os.environ):
        if name.startswith(PREFIX) and name != f"{PREFIX}CACHE_DIR":
            del os.environ[name]


@contextmanager
def running_system() -> Iterator[System]:
    """Run a complete Event Streams while the context is open.

    Raises:
        DemoError: it did not become ready.
    """
    account_sid, auth_token = new_sid(SidKind.ACCOUNT), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="eventstreams-demo-") as name:
        folder = Path(name)
        settings = {**_SETTINGS, "ACCOUNT_SID": account_sid, "AUTH_TOKEN": auth_token}
        process = subprocess.Popen(
            [sys.executable, "-m", "eventstreams", "up", "--data-dir", str(folder), "--port", "0"],
            env=os.environ | {f"{PREFIX}{key}": value for key, value in settings.items()},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_until_ready(process)
            about = orjson.loads((folder / "run.json").read_bytes())
            yield System(
                api=about["api"],
                kafka=about["kafka"],
                router_metrics=f"{about['admin']['router']}/metrics",
                worker_metrics=f"{about['admin']['worker-webhook']}/metrics",
                account_sid=account_sid,
                auth_token=auth_token,
            )
        finally:
            _stop(process)


def _wait_until_ready(process: "subprocess.Popen[str]") -> None:
    # A thread of its own: it keeps the deadline where nothing is printed, and reads on afterwards, as a full pipe would
    # stop the system.
    ready, ended = threading.Event(), threading.Event()
    threading.Thread(target=_read, args=(process, ready, ended), daemon=True).start()
    deadline = time.monotonic() + _READY_S
    while not ready.wait(0.1):
        if ended.is_set() or time.monotonic() > deadline:
            raise DemoError("the system did not become ready; see its last output above")


def _read(process: "subprocess.Popen[str]", ready: threading.Event, ended: threading.Event) -> None:
    """Print what ``process`` says until it is ready, without its secrets, and read the rest to its end."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            if line.strip() == "ready":
                ready.set()
            elif not ready.is_set() and not line.startswith(("Auth token", "Operator")):
                print(f"  {line}", end="", flush=True)
    ended.set()


def _stop(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
