"""What a person did wrong is one sentence and an exit code, whatever the command; never a traceback."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from eventstreams.cli.main import main
from eventstreams.control.vault import new_key

KEY = new_key()
ACCOUNT = "AC" + "1" * 32
SETTINGS = {
    "KAFKA": "127.0.0.1:9",  # nobody listens there
    "KAFKA_WAIT": "100ms",
    "SECRET_KEY": KEY,
    "LOG_LEVEL": "error",
    **dict.fromkeys(("API_LISTEN", "GATEWAY_LISTEN", "ADMIN_LISTEN"), "127.0.0.1:0"),
}
NO_FD = "fd://1073741823"  # more than Linux lets a process have
Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROLES = (("api",), ("router",), ("worker", "webhook"), ("gateway",))


@pytest.fixture
def run(programs: Path) -> "Run":
    """``eventstreams`` in a process of its own, until it ends."""

    def run_it(arguments: Sequence[str], **settings: str) -> "subprocess.CompletedProcess[str]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}
        return subprocess.run(
            [programs / "eventstreams", *arguments],
            env=clean | {f"EVENTSTREAMS_{name}": value for name, value in (SETTINGS | settings).items()},
            input="",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_it


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Run":
    """As ``run``, for what ends before it begins anything."""

    def run_it(arguments: Sequence[str], **settings: str) -> "subprocess.CompletedProcess[str]":
        for name in [name for name in os.environ if name.startswith("EVENTSTREAMS_")]:
            monkeypatch.delenv(name)
        for name, value in (SETTINGS | settings).items():
            monkeypatch.setenv(f"EVENTSTREAMS_{name}", value)
        monkeypatch.setattr(sys, "argv", ["eventstreams", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), said.out, said.err)

    return run_it


def one_sentence(done: "subprocess.CompletedProcess[str]") -> str:
    [line] = done.stderr.splitlines()
    assert line.startswith("eventstreams: ")
    return line.removeprefix("eventstreams: ")


@pytest.mark.parametrize(
    "arguments",
    [
        *ROLES,
        ("topics", "create"),
        ("publish", "-", "--account", ACCOUNT),
        ("simulate", "--account", ACCOUNT, "--count", "1"),
    ],
    ids=" ".join,
)
def test_a_broker_that_is_not_there(run: Run, arguments: Sequence[str]) -> None:
    done = run(arguments)

    assert done.returncode == 4
    assert one_sentence(done) == (
        "no Kafka broker answered at 127.0.0.1:9 within 0.1 s: start it, or set EVENTSTREAMS_KAFKA to another one"
    )


@pytest.mark.parametrize("arguments", ROLES, ids=" ".join)
def test_a_port_in_use(run: Run, arguments: Sequence[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        done = run(arguments, ADMIN_LISTEN=address)

    assert done.returncode == 3
    assert one_sentence(done) == f"{address} is in use by another program: choose another EVENTSTREAMS_ADMIN_LISTEN"


@pytest.mark.parametrize(("role", "setting"), [("api", "API_LISTEN"), ("gateway", "GATEWAY_LISTEN")])
def test_a_port_in_use_for_what_the_role_serves(run: Run, role: str, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run([role], **{setting: f"127.0.0.1:{taken.getsockname()[1]}"})

    assert done.returncode == 3
    assert one_sentence(done).endswith(f"choose another EVENTSTREAMS_{setting}")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TTL", "soon", "EVENTSTREAMS_TTL is 'soon': "),
        ("TTLL", "4h", "EVENTSTREAMS_TTLL is not a setting of Event Streams: did you mean EVENTSTREAMS_TTL?"),
        ("REPLICATION_FACTOR", "0", "EVENTSTREAMS_REPLICATION_FACTOR is '0': "),
        ("RETRY_DELAYS", "5s,1s", "EVENTSTREAMS_RETRY_DELAYS is '5s,1s': the delays must increase"),
        ("DRAIN_TIMEOUT", "10m", "EVENTSTREAMS_DRAIN_TIMEOUT is '10m': it must be at most 5m"),
        ("ALLOWED_DESTINATIONS", "home", "EVENTSTREAMS_ALLOWED_DESTINATIONS is 'home': 'home' is not a network"),
        ("ACCOUNT_SID", "me", "EVENTSTREAMS_ACCOUNT_SID is 'me': an account SID is AC and 32 hexadecimal digits"),
        ("SECRET_KEY", "hush", "EVENTSTREAMS_SECRET_KEY is malformed: "),
        ("SCHEMA_REGISTRY_URL", "registry:8081", "EVENTSTREAMS_SCHEMA_REGISTRY_URL: "),
        ("SCHEMA_REGISTRY_URL", "http://me:hush@r", "EVENTSTREAMS_SCHEMA_REGISTRY_URL: put user and password in "),
        ("SCHEMA_REGISTRY_AUTH", "hush", "EVENTSTREAMS_SCHEMA_REGISTRY_AUTH: it must be user:password"),
        ("ADMIN_LISTEN", "here", "EVENTSTREAMS_ADMIN_LISTEN is 'here': it must be host:port"),
        ("ADMIN_LISTEN", NO_FD, f"EVENTSTREAMS_ADMIN_LISTEN is '{NO_FD}': this process was not given such a socket"),
        ("ADMIN_LISTEN", f"fd://{10**30}", "this process was not given such a socket"),
        pytest.param("ADMIN_LISTEN", f"{'é' * 70}:80", "is not a host name", id="no host name"),
        ("TTL", "9999999999999d", "EVENTSTREAMS_TTL is '9999999999999d': '9999999999999d' is too long"),
        ("PUBLIC_URL", "events.example.com", "EVENTSTREAMS_PUBLIC_URL is 'events.example.com': it must be a URL such"),
        ("PUBLIC_URL", "http://[", "EVENTSTREAMS_PUBLIC_URL is 'http://[': it must be a URL such"),
        ("PUBLIC_URL", "http://host:99999", "EVENTSTREAMS_PUBLIC_URL is 'http://host:99999': it must be a URL such"),
        ("PUBLIC_URL", "http://a host", "EVENTSTREAMS_PUBLIC_URL is 'http://a host': it must be a URL such"),
        ("READY_URLS", "http://a/readyz,b", "EVENTSTREAMS_READY_URLS is 'http://a/readyz,b': it must be a URL such"),
        ("GATEWAY_URL", "http://[", "EVENTSTREAMS_GATEWAY_URL is 'http://[': it must be a URL such"),
        ("API_URL", "http://[", "EVENTSTREAMS_API_URL is 'http://[': it must be a URL such"),
    ],
)
def test_a_bad_setting(run_here: Run, name: str, value: str, words: str) -> None:
    done = run_here(["api"], **{name: value})

    assert done.returncode == 2
    assert words in one_sentence(done)


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        pytest.param("x", 3, "use an address of this machine", id="no such name"),
        pytest.param("192.0.2.1", 3, "--host: cannot listen on 192.0.2.1:", id="no address of this machine"),
        pytest.param("é" * 70, 2, "it is not a host name", id="no name at all"),
    ],
)
def test_a_host_that_cannot_be_listened_on(run_here: Run, tmp_path: Path, host: str, code: int, words: str) -> None:
    done = run_here(["up", "--host", host, "--data-dir", str(tmp_path)])

    assert done.returncode == code
    assert words in one_sentence(done)


def test_a_socket_that_does_not_listen(run_here: Run) -> None:
    with socket.socket() as idle:
        done = run_here(["api"], ADMIN_LISTEN=f"fd://{idle.fileno()}")

        assert idle.getsockname() == ("0.0.0.0", 0)  # it is still open
    assert done.returncode == 2
    assert one_sentence(done).endswith("this socket does not listen")


def test_a_secret_is_not_shown_where_it_is_wrong(run_here: Run) -> None:
    done = run_here(["api"], AUTH_TOKEN="secret!")

    assert done.returncode == 2
    assert one_sentence(done) == "EVENTSTREAMS_AUTH_TOKEN: it must have 8 characters or more"


def test_registering_without_a_registry(run_here: Run) -> None:
    done = run_here(["catalog", "register"])

    assert done.returncode == 2
    assert one_sentence(done) == ("set EVENTSTREAMS_SCHEMA_REGISTRY_URL to the registry, such as http://127.0.0.1:8081")


def test_registering_a_schema_that_is_not_there(run_here: Run) -> None:
    done = run_here(["catalog", "register", "Messaging.MessageStat"], SCHEMA_REGISTRY_URL="http://127.0.0.1:9")

    assert done.returncode == 2
    assert "There is no schema Messaging.MessageStat: did you mean Messaging.MessageStatus?" in done.stderr


def test_a_sink_type_that_nobody_has_installed(run_here: Run) -> None:
    done = run_here(["worker", "pigeon"])

    assert done.returncode == 6
    assert one_sentence(done).startswith("no sink plugin 'pigeon' is installed; available: ")


def test_a_catalogue_that_is_not_there(run_here: Run) -> None:
    done = run_here(["gateway"], CATALOG_DIRS="/nowhere")

    assert done.returncode == 5
    assert one_sentence(done) == "/nowhere/catalog.yaml cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--products", "voise"),
            "'voise' is not a product (did you mean voice?): choose from messaging, voice, taskrouter, conversations",
        ),
        (
            ("--rate", "fast"),
            "'fast' is not a rate: it must be a number of events per second above 0 and up to 100,000, or max",
        ),
        (("--rate", "-1"), "'-1' is not a rate"),
        (("--rate", "nan"), "'nan' is not a rate"),
        (("--duration", "soon"), "'soon' is not a duration"),
        (("--duration", "1s", "--count", "1"), "--duration and --count are mutually exclusive"),
        (("--print", "-o", "json"), "--print and -o json are mutually exclusive"),
        (("--start", "2026-01-01T00:00:00"), "has no UTC offset: end it with Z"),
        (("--start", "9999-12-31T23:59:59Z"), "'9999-12-31T23:59:59Z' is too late"),
        (("--start", "0001-01-01T00:00:00+10:00"), "is too large"),
        (("--duration", "9999999999999d"), "'9999999999999d' is too long"),
    ],
    ids=str,
)
def test_a_simulation_that_cannot_be(run_here: Run, arguments: Sequence[str], words: str) -> None:
    done = run_here(["simulate", "--account", ACCOUNT, *arguments])

    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("doctor", "--wait", "9999999999999d"), "'9999999999999d' is too long"),
        (("verify", "--settle", "9999999999999d"), "--settle: '9999999999999d' is too long"),
        (("accounts", "rotate-token", ACCOUNT, "--grace", "9999999999999d"), "'9999999999999d' is too long"),
        (("smoke", "--api", "events.example.com"), "'events.example.com' must be a URL"),
        (("smoke", "--gateway", "gateway:8081"), "'gateway:8081' must be a URL"),
        (("smoke", "--receiver-url", "http://["), "'http://[' must be a URL"),
        (("verify", "--api", "http://host:99999"), "'http://host:99999' must be a URL"),
        (("listen", "--receiver-url", "http://["), "'http://[' must be a URL"),
        (("listen", "--receiver-url", "https:"), "'https:' must be a URL"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_an_option_that_cannot_be(run_here: Run, arguments: Sequence[str], words: str) -> None:
    done = run_here(arguments)

    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'a' * 70}.example"])
@pytest.mark.parametrize("command", ["smoke", "verify"])
def test_a_host_that_cannot_be_reached(run_here: Run, command: str, host: str) -> None:
    done = run_here([command, "--api", f"http://{host}:1"], ACCOUNT_SID=ACCOUNT, AUTH_TOKEN="12345678")

    assert done.returncode == 2
    assert one_sentence(done).startswith(f"{host} in http://{host}:1 cannot be reached from here (")


@pytest.mark.parametrize("arguments", [("sinks", "show", "caf\udce9"), ("tail", "--event", "caf\udce9")], ids=str)
def test_an_argument_that_is_not_utf_8(run_here: Run, arguments: Sequence[str]) -> None:
    with socket.socket() as nobody:  # bound, and not listening: whoever asks there is refused
        nobody.bind(("127.0.0.1", 0))
        api = f"http://127.0.0.1:{nobody.getsockname()[1]}"

        done = run_here([*arguments, "--url", api], ACCOUNT_SID=ACCOUNT, AUTH_TOKEN="12345678")

    assert done.returncode == 1
    assert one_sentence(done) in {
        "EventId is not valid UTF-8, which the API requires",
        f"the API at {api} does not answer (Connection refused): is it running?",
    }
