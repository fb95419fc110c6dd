"""Runs the tests, then repeats failed ones alone:
``python -m tools.run_tests [--forked] [--one-kafka] ARGUMENTS_OF_PYTEST``.

Four test processes, each with roles of its own, share two cores, and leave a tenth of the CPU idle while they wait. A
fifth, of lower priority and without brokers and roles, uses that for unit tests (``tools/scheduling.py``). With
``--forked`` all of them are forked from one process that has imported the tests (``tools/forked_processes.py``). With
``--one-kafka`` all tests that do not start a broker for themselves share one (``tools/shared_kafka.py``).

Under that load a virtual machine may stall for seconds. So a failed test shows either a bug or a stall. That is why up
to :data:`MOST` failed tests are run :data:`TIMES` more times with nothing else on the machine, and must pass each time.
The first failure stays in the output, and the test's name is printed last: it should be investigated, but does not
block the change. If more tests fail, that is no coincidence, and the run fails
(docs/adr/0038-a-failed-test-is-judged-again-alone.md).
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tools.forked_processes import forking

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tools.scheduling import NiceScheduling

MOST: Final = 3
"""The most failed tests of a run that are repeated. The suite has more than 8,000; since it had 7,000, no run had more
than one that failed at first and passed alone."""

TIMES: Final = 2

_FORKED: Final = "--forked"
_ONE_KAFKA: Final = "--one-kafka"
_KAFKA: Final = ("--kafka", "EVENTSTREAMS_TEST_KAFKA")  # tests/conftest.py has them
_CRASHED: Final = "crashed while running"  # pytest-xdist's text if a test ended its process
_UNJUDGED: Final = ("maxfail", "cov_fail_under")


class Failures:
    """A pytest plugin that records what failed."""

    def __init__(self) -> None:
        self.tests: set[str] = set()
        self.others: list[str] = []  # failures that cannot be checked by repeating a test

    def pytest_configure(self, config: pytest.Config) -> None:
        for name in _UNJUDGED:
            if getattr(config.option, name, None):
                raise pytest.UsageError(f"{name} ends a run otherwise than by its tests: leave it out, or call pytest")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests.add(report.nodeid)
            if _CRASHED in str(report.longrepr):
                self.others.append(f"a process ended in {report.nodeid}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.others.append(f"{report.nodeid} could not be read")


class Scheduler:
    """A pytest plugin that makes :class:`tools.scheduling.NiceScheduling` distribute the test files."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: "Producer") -> "NiceScheduling | None":
        from tools.scheduling import NiceScheduling  # noqa: PLC0415 - pytest must be the first to import xdist

        return NiceScheduling(config, log) if config.getoption("dist") == "loadfile" else None


def main(arguments: Sequence[str]) -> int:
    """Run the tests; returns pytest's exit code, or 0 if all tests that failed have passed alone."""
    failures = Failures()
    plugins: list[object] = [failures, Scheduler()]
    told = [each for each in arguments if each not in {_FORKED, _ONE_KAFKA}]
    with ExitStack() as stack:
        stack.enter_context(_interrupted_by_sigterm())
        kafka = None
        if _ONE_KAFKA in arguments and not _has_kafka(told):
            from tools.shared_kafka import shared_kafka  # noqa: PLC0415 - who needs none does not import all that

            kafka = stack.enter_context(shared_kafka())
            plugins.append(kafka)
            told.append(kafka.option)
        if _FORKED in arguments:
            python = stack.enter_context(forking())
            told = [_by(python, each) for each in told]
        if kafka is not None:
            kafka.wait()  # it has started while the tests were read
        code = int(pytest.main(told, plugins=plugins))
    failed = sorted(failures.tests)
    if code != pytest.ExitCode.TESTS_FAILED or not failed:
        return code
    if failures.others or len(failed) > MOST:
        print(*failures.others, f"{len(failed)} tests failed: none is judged again alone", sep="\n")
        return code
    for turn in range(1, TIMES + 1):
        print(f"\nalone, {turn} of {TIMES}: {', '.join(failed)}", flush=True)
        if code := subprocess.run([sys.executable, "-m", "pytest", *failed], check=False).returncode:
            return code
    print("\npassed alone, and FAILED beside others (why is above; please find out):", *failed, sep="\n  ")
    return 0


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM does what Ctrl-C does: pytest says what failed, and all that was started is ended."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _has_kafka(arguments: Sequence[str]) -> bool:
    option, variable = _KAFKA
    return variable in os.environ or any(each.partition("=")[0] == option for each in arguments)


def _by(python: str, argument: str) -> str:
    """``argument``, changed to start processes with ``python`` if it is a value of ``--tx``."""
    return re.sub(r"^((?:[0-9]+\*)?popen)\b", rf"\1//python={python}", argument)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
