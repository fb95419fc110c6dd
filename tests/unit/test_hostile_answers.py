"""Whatever a remote end, a file or a name says: no command hands a terminal anything but what can be seen."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
import yaml
from click import Command
from click.testing import CliRunner
from typing_extensions import override

from control_api.commands.dead_letters import redrive
from control_api.commands.sinks import sinks
from eventstreams.catalog.cli import catalog
from eventstreams.cli.health import SETTING, health
from sink_workers.archive.cli import _show

HOSTILE: Final = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x9b31m"
ANSWERS: Mapping[str, object] = {
    "/v1/Redrives/Preview": {
        **dict.fromkeys(("redriven", "oldest", "newest", "expected_minutes", "rate"), HOSTILE),
        "selected": 1,
        "complete": True,
        "skipped": {HOSTILE: HOSTILE},
    },
    "/v1/Redrives": {"sid": HOSTILE, "status": "completed", "redriven": HOSTILE, "skipped": {HOSTILE: 1}},
    "/v1/Sinks/DG1/Probe": {"outcome": "delivered", "sink_type": HOSTILE},
    "/config": {"compatibilityLevel": "BACKWARD"},
}
"""Of an API and a schema registry, for nobody asks one for what is the other's."""


class Hostile(BaseHTTPRequestHandler):
    """Answers as the protocol wants it, but for every text."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        known = ANSWERS.get(self.path)
        told = json.dumps(known if known is not None else {"error_code": 422, "message": HOSTILE}).encode()
        self.send_response(200 if known is not None else 422)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_PUT = do_GET  # noqa: N815 - as the library calls them

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def hostile() -> Iterator[str]:
    """Where it is, as host:port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def shown(command: Command, *arguments: str, **environ: str) -> str:
    """All that it says; fails where that has something else than what can be seen."""
    account = {"EVENTSTREAMS_ACCOUNT_SID": "AC" + "1" * 32, "EVENTSTREAMS_AUTH_TOKEN": "token-of-the-test"}
    done = CliRunner(env=account | environ).invoke(command, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert [each for each in done.output if not each.isprintable() and each != "\n"] == []
    return done.output


def test_a_role_s_reason_for_not_being_ready() -> None:
    with hostile() as address:
        assert r"\x1b[2J" in shown(health, **{SETTING: address}).replace("\\\\", "\\").replace(r"\u001b", r"\x1b")


def test_a_preview_and_a_job() -> None:
    with hostile() as address:
        said = shown(redrive, "--yes", "--url", f"http://{address}")

    assert len(said.splitlines()) == 3
    assert said.count(r"\x1b[2J") >= 6


def test_a_sink_that_is_probed() -> None:
    with hostile() as address:
        said = shown(sinks, "validate", "DG1", "--url", f"http://{address}")

    assert said.startswith(r"DG1 (\x1b[2J")


def test_a_registry_that_refuses() -> None:
    with hostile() as address:
        said = shown(catalog, "register", "Iam.IPBlocked", EVENTSTREAMS_SCHEMA_REGISTRY_URL=f"http://{address}")

    assert "gnp.exe" in said


def test_a_catalogue(tmp_path: Path) -> None:
    folder = tmp_path / "here\x1b[31m"
    folder.mkdir()
    entry = {"product": HOSTILE, "title": "T", "versions": {1: {"released": "2026-01-02", "changes": "First."}}}
    listing = {"products": {"post": "Post"}, "schemas": {f"Post.{HOSTILE}": {**entry, "types": {"a.b": "Words."}}}}
    (folder / "catalog.yaml").write_text(yaml.safe_dump(listing))

    said = shown(catalog, "check", str(folder))

    assert r"here\x1b[31m/catalog.yaml: " in said


def test_an_archive(capsys: pytest.CaptureFixture[str]) -> None:
    for output in ("table", "json"):
        _show([{"type": HOSTILE, "objects": 1}], ("type", "objects"), output)

    said = capsys.readouterr().out
    assert [each for each in said if not each.isprintable() and each != "\n"] == []
