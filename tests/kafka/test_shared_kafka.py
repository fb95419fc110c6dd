"""The broker that all test processes of a run share: on suites of a few lines, with a real broker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from eventstreams.local.broker import answers
from tools.run_tests import MOST

pytestmark = pytest.mark.kafka

_ROOT = Path(__file__).parents[2]
_PATIENCE_S = 120.0

_CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--kafka")

@pytest.fixture
def kafka(request):
    return request.config.getoption("--kafka")
"""

_NOTES = """
import os
from pathlib import Path
from eventstreams.local.broker import answers

def test_it(kafka):
    Path("{name}.noted").write_text(f"{{os.getpid()}} {{kafka}} {{answers(kafka, timeout_s=30)}}")
"""

# Whoever listens on the broker's port is the broker.
_ENDS = """
import psutil, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(kafka, number):
    port = int(kafka.rpartition(":")[2])
    for process in psutil.process_iter():
        if process.name() == "java" and any(each.laddr.port == port for each in process.net_connections()):
            process.kill()
    assert False
"""

_WAITS = """
import time
from pathlib import Path

def test_it(kafka):
    Path("noted").write_text(kafka)
    time.sleep(600)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    return tmp_path


def start(suite: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if key != "EVENTSTREAMS_TEST_KAFKA"}
    return subprocess.Popen(
        [sys.executable, "-m", "tools.run_tests", "--one-kafka", *arguments],
        cwd=suite,
        env=environment
        | {"PYTHONPATH": str(_ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_all_processes_have_the_same_broker_which_ends_with_the_run(suite: Path) -> None:
    for number in range(4):
        (suite / f"test_{number}.py").write_text(_NOTES.format(name=number))

    run = start(suite, "--tx", "2*popen", "--dist", "loadfile")
    said, _ = run.communicate(timeout=_PATIENCE_S)

    assert run.returncode == 0, said
    noted = [each.read_text().split() for each in suite.glob("*.noted")]
    assert len(noted) == 4
    assert len({process for process, _, _ in noted}) == 2
    [kafka] = {kafka for _, kafka, _ in noted}
    assert {answered for _, _, answered in noted} == {"True"}
    assert not answers(kafka, timeout_s=0.5)


def test_who_names_a_kafka_gets_that_one(suite: Path) -> None:
    (suite / "test_it.py").write_text("def test_it(kafka):\n    assert kafka == 'mine:9092'\n")

    run = start(suite, "--kafka=mine:9092")
    said, _ = run.communicate(timeout=_PATIENCE_S)

    assert run.returncode == 0, said


def test_where_the_broker_ends_the_run_ends_and_no_test_is_judged(suite: Path) -> None:
    (suite / "test_it.py").write_text(_ENDS.format(tests=MOST))

    run = start(suite, "--numprocesses", "2")
    said, _ = run.communicate(timeout=_PATIENCE_S)

    assert run.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "the Kafka broker that all tests share has ended with exit code -9: what failed since then says no" in said
    assert "alone, 1" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_run_leaves_no_broker(suite: Path, number: signal.Signals) -> None:
    (suite / "test_it.py").write_text(_WAITS)
    run = start(suite, "--numprocesses", "0")
    noted, deadline = suite / "noted", time.monotonic() + _PATIENCE_S
    while not (noted.exists() and noted.read_text()):
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.05)
    [java] = [each for each in psutil.Process(run.pid).children(recursive=True) if each.name() == "java"]

    run.send_signal(number)
    run.communicate(timeout=_PATIENCE_S)

    java.wait(_PATIENCE_S)
    assert not answers(noted.read_text(), timeout_s=0.5)
