"""``eventstreams health``: what containers ask, so it must be light, and right in what it says."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typing_extensions import override

from eventstreams.cli import health as health_cli
from eventstreams.settings import Settings


class Role(BaseHTTPRequestHandler):
    """Alive, and not ready."""

    def do_GET(self) -> None:
        ready = self.path == "/livez"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"ok\n" if ready else b"waiting for the control topic\n")

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def role() -> Iterator[int]:
    """The admin port of a role."""
    with HTTPServer(("127.0.0.1", 0), Role) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def health(*arguments: str, listen: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "eventstreams", "health", *arguments],
        env=os.environ | {health_cli.SETTING: listen},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_role_that_is_not_ready_fails_with_its_own_reason() -> None:
    with role() as port:
        done = health(listen=f"0.0.0.0:{port}")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "waiting for the control topic\n")


def test_a_role_that_is_alive_passes_where_that_is_asked() -> None:
    with role() as port:
        done = health("--live", listen=f"127.0.0.1:{port}")

    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_nobody_there_is_a_sentence() -> None:
    done = health(listen="0.0.0.0:9")

    assert done.returncode == 1
    assert done.stderr.startswith("nothing answers at 127.0.0.1:9: ")


def test_a_name_that_can_be_none_is_a_sentence() -> None:
    done = health(listen="a..b:9100")

    assert done.returncode == 1
    assert done.stderr.startswith("nothing answers at a..b:9100: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("listen", ["fd://3", "here", "here:soon", "9100", "127.0.0.1:65536"])
def test_a_setting_that_names_no_port_is_a_sentence(listen: str) -> None:
    done = health(listen=listen)

    assert done.returncode == 2
    assert "it must be host:port, such as 0.0.0.0:9100" in done.stderr


def test_it_asks_where_roles_listen_by_default() -> None:
    assert Settings.model_fields["admin_listen"].default == health_cli.DEFAULT


def test_it_imports_none_of_what_roles_take_long_to_import() -> None:
    code = "import sys, eventstreams.cli.main, eventstreams.cli.health; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert not {"pydantic", "aiohttp", "confluent_kafka", "asyncio"} & set(loaded.stdout.split())
