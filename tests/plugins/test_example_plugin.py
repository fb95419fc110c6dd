"""The example plugin as its reader has it: a package of its own, built and installed into an environment of its own."""

import shutil
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventstreams.durations import format_duration
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from fake_beanstalkd import FakeBeanstalkd
from tests.support.installation import Installation, header
from tests.support.topic import eventually
from tests.support.venv import Environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "sink-plugin"
READY_S = 120.0


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, apart from this repository."""
    folder = tmp_path_factory.mktemp("example") / "eventstreams-beanstalk"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    return folder


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment into which the package was built and installed."""
    environment = Environment(tmp_path_factory.mktemp("environment") / "venv")
    done = environment.run("pip", "install", "--quiet", ".[test]", cwd=package)
    assert done.returncode == 0, done.stderr
    return environment


def test_its_own_tests_pass_where_it_is_installed(installed: Environment, package: Path) -> None:
    done = installed.run("pytest", "-q", "-p", "no:cacheprovider", cwd=package)

    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


def test_a_worker_does_not_know_its_sink_type_where_it_is_not_installed(tmp_path: Path) -> None:
    done = Environment(tmp_path / "venv").run("eventstreams", "worker", "beanstalk", cwd=tmp_path)

    assert done.returncode != 0
    assert done.stderr.startswith("eventstreams: no sink plugin 'beanstalk' is installed; available: ")


# -- on a real broker ----------------------------------------------------------------------------------------------


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


@contextmanager
def running_worker(environment: Environment, settings: Settings, folder: Path) -> Iterator[None]:
    """``eventstreams worker beanstalk`` as a process; leaves once it has stopped in order."""
    [port] = free_ports(1)
    assert settings.secret_key is not None
    environ = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": str(settings.replication_factor),
        "RETRY_PARTITIONS": str(settings.retry_partitions),
        "RETRY_DELAYS": ",".join(format_duration(delay) for delay in settings.retry_delays),
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "ALLOWED_DESTINATIONS": "127.0.0.0/8",
        "ADMIN_LISTEN": f"127.0.0.1:{port}",
    }
    log = folder / "worker.log"
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [environment.python, "-m", "eventstreams", "worker", "beanstalk"],
            env=environment.environ({f"EVENTSTREAMS_{name}": value for name, value in environ.items()}),
            cwd=folder,
            stderr=out,
        )
    try:
        until_ready(f"http://127.0.0.1:{port}/readyz", worker, log)
        yield
        worker.terminate()
        assert worker.wait(READY_S) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()


def until_ready(url: str, worker: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert worker.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url) as answer:
                assert answer.status == 200
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(log.read_text())


@pytest.mark.kafka
async def test_events_become_jobs_and_one_that_is_too_big_a_dead_letter(
    installation: Installation, installed: Environment, tmp_path: Path
) -> None:
    async with FakeBeanstalkd().listening() as beanstalkd:
        subscription = await installation.subscribe(
            await installation.add_sink(None, config=beanstalkd.config, sink_type="beanstalk")
        )
        big = installation.event(1)
        big.data["to"] = "+" * 70_000  # type: ignore[index]  # a mapping for publishers, a dictionary here
        for event in (installation.event(0), big, installation.event(2)):
            await installation.hand_to(subscription, event)

        with running_worker(installed, installation.settings, tmp_path):
            [dead] = await installation.dead(1, sink_type="beanstalk")
            await eventually(lambda: len(beanstalkd.jobs) == 2, what=lambda: str(beanstalkd.jobs))
        jobs = await beanstalkd.arrived()

    assert [job.id for job in jobs] == ["EZ0", "EZ2"]
    assert (header(dead, "ce_id"), header(dead, "es_reason")) == ("EZ1", "too_large")
    assert header(dead, "es_detail") == "beanstalkd says JOB_TOO_BIG: see its option -z"


@pytest.mark.kafka
async def test_events_wait_while_beanstalkd_drains_and_become_jobs_afterwards(
    installation: Installation, installed: Environment, tmp_path: Path
) -> None:
    async with FakeBeanstalkd().listening() as beanstalkd:
        subscription = await installation.subscribe(
            await installation.add_sink(None, config=beanstalkd.config, sink_type="beanstalk")
        )
        await beanstalkd.go_down()
        await installation.hand_to(subscription, installation.event(7))

        with running_worker(installed, installation.settings, tmp_path):
            await eventually(lambda: beanstalkd.refusals > 0)
            await beanstalkd.heal()
            await eventually(lambda: bool(beanstalkd.jobs))
        jobs = await beanstalkd.arrived()

    assert [job.id for job in jobs] == ["EZ7"]
