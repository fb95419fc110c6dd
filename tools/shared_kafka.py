"""One Kafka broker for all test processes of a run."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from eventstreams.local import parent_death
from eventstreams.local.broker import LocalBroker
from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import STEADY

_READY_S: Final = 60.0
_ANSWER_S: Final = 240.0  # the time limit of a test; on a starved machine it took more than 30 s
_TURN_S: Final = 1.0
_STOP_S: Final = 20.0
_LOG_END: Final = 2000  # characters
# Twice the heap of a broker of one process. One that has no memory left is to end, which is noticed, not to limp along.
_JVM: Final = ("-Xmx512m", "-XX:+ExitOnOutOfMemoryError")


class SharedKafka:
    """The broker; as a pytest plugin it ends the run if the broker does not answer.

    Without it each test that needs it fails, one after the other at its time limit, which says nothing about any of
    them: they must not be judged.
    """

    def __init__(self, broker: LocalBroker, process: subprocess.Popen[bytes], log: Path) -> None:
        self.option = f"--kafka={broker.bootstrap}"
        self._broker = broker
        self._process = process
        self._log = log

    def wait(self) -> None:
        """Return once it answers.

        Raises:
            TimeoutError: it did not answer within a minute; the text has the end of its log.
        """
        if not self._broker.is_ready(timeout_s=_READY_S):
            raise TimeoutError(f"the Kafka broker of the tests did not start: {self._end_of_log()}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._end_run_if_ended()
        if report.failed:
            deadline = time.monotonic() + _ANSWER_S
            while not self._broker.is_ready(timeout_s=_TURN_S):
                self._end_run_if_ended()
                if time.monotonic() > deadline:
                    self._end_run(f"did not answer within {_ANSWER_S:.0f} s")

    def _end_run_if_ended(self) -> None:
        if (code := self._process.poll()) is not None:
            self._end_run(f"has ended with exit code {code}")

    def _end_run(self, what: str) -> None:
        pytest.exit(
            f"the Kafka broker that all tests share {what}: what failed since then says nothing, run the tests again. "
            f"Its log ends:\n{self._end_of_log()}",
            returncode=pytest.ExitCode.INTERRUPTED,
        )

    def _end_of_log(self) -> str:
        return self._log.read_text("utf-8", errors="replace")[-_LOG_END:]


@contextmanager
def shared_kafka() -> Iterator[SharedKafka]:
    """Start a broker, which may not answer yet; it ends with the ``with`` block, or with this process.

    It has a session of its own: who interrupts the tests in a terminal must not stop it before the tests have ended.
    """
    port, controller_port = free_ports(2)
    with TemporaryDirectory(prefix="kafka-of-tests-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        broker = make_broker(
            folder,
            port=port,
            controller_port=controller_port,
            cache=Settings.load().cache_dir,
            properties=STEADY,
            jvm=_JVM,
        )
        dying_with_us = [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid())]
        log = folder / "broker.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*dying_with_us, *broker.command], stdout=out, stderr=out, start_new_session=True
            )
        try:
            yield SharedKafka(broker, process, log)
        finally:
            process.kill()  # its data goes with it: nothing is to be written in an orderly way
            process.wait(_STOP_S)
