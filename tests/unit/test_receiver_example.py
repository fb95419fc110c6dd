"""The receiver of the README, where it cannot be started as it stands there."""

import socket
import subprocess
import sys
from pathlib import Path

RECEIVER = Path(__file__).parents[2] / "examples" / "receiver.py"


def test_a_port_that_is_taken_is_told_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = subprocess.run(
            [sys.executable, RECEIVER, "token", str(port)], capture_output=True, text=True, timeout=60, check=False
        )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        f"error: cannot listen on port {port}: Address already in use; name another one behind the token"
    )
    assert "Traceback" not in done.stderr
