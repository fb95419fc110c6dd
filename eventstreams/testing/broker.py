"""A real Kafka broker for tests, each on a port and in a folder of its own."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from eventstreams.local.broker import LocalBroker
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings

_READY_S: Final = 60.0
_STOP_S: Final = 20.0
# A heartbeat takes 5 ms of CPU; and a broker that stalls for three seconds is fenced, so that no topic can be made.
STEADY: Final = """\
broker.heartbeat.interval.ms=2000
broker.session.timeout.ms=60000
"""
"""Properties of a broker that nobody kills or freezes."""


class RunningBroker:
    """A broker that a test can kill and restart on the same port with the same data."""

    def __init__(self, broker: LocalBroker) -> None:
        self._broker = broker
        self._process: subprocess.Popen[bytes] | None = None
        self.bootstrap = broker.bootstrap

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, and return once it answers.

        Raises:
            TimeoutError: it did not answer within a minute; the text has the end of its log.
        """
        log = self._broker.folder / "broker.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(self._broker.command, stdout=out, stderr=out)  # noqa: S603 - ours
        if not self._broker.is_ready(timeout_s=_READY_S):
            self.kill()
            raise TimeoutError(f"the broker did not start: {log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it with SIGKILL, like a power cut."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Shut it down in an orderly way."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Suspend it: it stays connected but silent, like a machine that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it after ``freeze``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextmanager
def running_broker(folder: Path, *, heap_mib: int | None = None, steady: bool = False) -> Iterator[RunningBroker]:
    """Run a broker with its data in ``folder`` while inside.

    Args:
        folder: Holds its data and configuration.
        heap_mib: Replaces the small default heap.
        steady: Nobody kills or freezes it: then it need not be noticed soon, which takes CPU.
    """
    port, controller_port = free_ports(2)
    broker = RunningBroker(
        make_broker(
            folder,
            port=port,
            controller_port=controller_port,
            cache=Settings.load().cache_dir,
            properties=STEADY if steady else "",
            jvm=() if heap_mib is None else (f"-Xmx{heap_mib}m",),
        )
    )
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
