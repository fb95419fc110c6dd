"""What is forked for tests is a process as any other (tests/support/forks.py)."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support import forks

OURS = (sys.executable, "-m", "eventstreams")
END_S = 90.0


def without_settings() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}


def test_it_has_an_environment_streams_and_an_exit_code_of_its_own(tmp_path: Path) -> None:
    env = {**without_settings(), "EVENTSTREAMS_TTL": "soon"}
    with (tmp_path / "said").open("wb") as out:
        process = forks.popen([*OURS, "gateway"], env=env, stderr=out)

        assert process.wait(END_S) == 2
    assert (tmp_path / "said").read_text().startswith("eventstreams: EVENTSTREAMS_TTL is 'soon': ")


def test_it_is_a_child_of_who_asked_and_ends_by_a_signal(tmp_path: Path) -> None:
    env = {
        **without_settings(),
        "EVENTSTREAMS_KAFKA": "127.0.0.1:9",
        "EVENTSTREAMS_KAFKA_WAIT": "10m",
        "EVENTSTREAMS_ADMIN_LISTEN": "127.0.0.1:0",
    }
    with (tmp_path / "said").open("wb") as out:
        process = forks.popen([*OURS, "router"], env=env, stdout=out, stderr=out)
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert process.poll() is None
            assert f"PPid:\t{os.getpid()}\n" in status
        finally:
            process.kill()

        assert process.wait(END_S) == -signal.SIGKILL


def test_who_wants_another_python_gets_a_true_start(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nos._exit(9)\n")

    process = forks.popen([*OURS, "--help"], env={**os.environ, "PYTHONPATH": str(tmp_path)})

    assert process.wait(END_S) == 9


def test_a_command_that_is_told_to_end_does() -> None:
    program = [str(forks.program()), "listen", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(program, env=without_settings(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        assert any(b"listening on" in line for line in process.stdout)
        process.terminate()

        assert process.wait(END_S) in {0, 143, -signal.SIGTERM, 1}
