"""Destinations whose names nobody resolves: the system's resolver takes its time, and others are delivered to."""

import asyncio
import os
import socket
from threading import Event

import pytest

from eventstreams.process import Process
from eventstreams.process.run import run_process
from eventstreams.settings import Settings
from eventstreams.sinks import Delivered, DeliveryOutcome
from eventstreams.telemetry.logging import get_logger
from eventstreams.testing.receiver import Receiver
from tests.support.webhooks import deliver

SILENT = 100  # as many sinks as an account can have
THREADS = min(32, (os.cpu_count() or 1) + 4)  # asyncio's own


class Names:
    """A resolver that is silent on ``silent-…`` until it is let go, and says loopback of all other names."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = Event()
        self._resolve = socket.getaddrinfo

    def __call__(self, host: str, *args: object, **kwargs: object) -> object:
        self.asked.append(host)
        if str(host).startswith("silent-"):
            self.let_go.wait(60)
        return self._resolve("127.0.0.1", *args, **kwargs)  # type: ignore[arg-type]  # passed on


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


def test_names_that_do_not_resolve_hold_up_no_other_sink(names: Names) -> None:
    outcomes: list[DeliveryOutcome] = []

    async def main(_: Process) -> None:
        async with Receiver() as receiver, asyncio.TaskGroup() as group:
            for number in range(SILENT):
                group.create_task(deliver(f"http://silent-{number}.example/"))
            while len(names.asked) < THREADS:
                await asyncio.sleep(0.01)
            outcomes.extend(await deliver(receiver.url.replace("127.0.0.1", "hooks.example.com")))
            names.let_go.set()

    assert run_process(Process(Settings.load(admin_listen="127.0.0.1:0"), get_logger("worker")), main) == 0
    assert outcomes == [Delivered()]
