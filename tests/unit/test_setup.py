"""``make setup``: when ``.venv`` is made anew, whom uv asks, and what two processes of pip install."""

import sys
from pathlib import Path

import pytest

from tools.setup import ROOT, as_uv_calls_it, shares, works


def environment(folder: Path, says: str) -> Path:
    """A program in the place of an environment's Python."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{says}\n")
    python.chmod(0o755)
    return python


def test_an_environment_of_the_python_that_is_asked_for_is_kept() -> None:
    assert works(Path(sys.executable))


@pytest.mark.parametrize("says", ["echo 3 9", "exit 1"], ids=["another one", "broken"])
def test_an_environment_of_another_python_or_a_broken_one_is_made_anew(says: str, tmp_path: Path) -> None:
    assert not works(environment(tmp_path, says))


def test_where_there_is_none_one_is_made(tmp_path: Path) -> None:
    assert not works(tmp_path / "python")


def test_two_processes_of_pip_install_each_requirement_of_the_lock_once_with_all_its_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    lines = [line for line in lock.splitlines() if not line.startswith("#")]

    first, second, last = shares(lock)

    assert sorted([*first.splitlines(), *second.splitlines(), *last.splitlines()]) == sorted(lines)
    assert last.startswith("pip==")  # nobody replaces it while another runs it
    assert last.count("==") == 1
    for half in (first, second, last):
        assert half is last or len(half.splitlines()) > 1000
        assert half.rstrip()[-64:].isalnum()  # it ends with a hash, not in the middle of one requirement
        for before, line in zip(half.splitlines(), half.splitlines()[1:], strict=False):
            assert before.endswith("\\") == line.startswith("    ")


ALWAYS = {"UV_NO_CONFIG": "1", "UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_uv_asks_whom_pip_is_configured_to_ask() -> None:
    configuration = """\
global.index-url='https://ours.test/simple'
global.extra-index-url='\\nhttps://a.test/simple\\nhttps://b.test/simple'
global.trusted-host='a.test b.test:8443'
install.find-links='/opt/wheels /opt/more'
:env:.cert='/etc/ours.pem'
:env:.default-timeout='180'
:env:.disable-pip-version-check='1'
freeze.all='1'
"""
    assert as_uv_calls_it(configuration, {"REQUESTS_CA_BUNDLE": "/etc/other.pem"}) == ALWAYS | {
        "UV_DEFAULT_INDEX": "https://ours.test/simple",
        "UV_INDEX": "https://a.test/simple https://b.test/simple",
        "UV_INSECURE_HOST": "a.test b.test:8443",
        "UV_FIND_LINKS": "/opt/wheels,/opt/more",
        "SSL_CERT_FILE": "/etc/ours.pem",
        "UV_HTTP_TIMEOUT": "180",
    }


def test_a_pip_without_configuration_leaves_uv_without_one_but_for_certificates() -> None:
    assert as_uv_calls_it("", {"PATH": "/bin"}) == ALWAYS
    variables = {"REQUESTS_CA_BUNDLE": "/etc/ours.pem", "CURL_CA_BUNDLE": "/etc/other.pem"}
    assert as_uv_calls_it("", variables) == ALWAYS | {"SSL_CERT_FILE": "/etc/ours.pem"}


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_said_nearer_to_pip_wins_in_whatever_order_it_is_listed(order: int) -> None:
    lines = [
        "global.index-url='https://far.test'",
        "install.index-url='https://near.test'",
        ":env:.index-url='https://it.test'",
    ]

    for count, wins in ((1, "far"), (2, "near"), (3, "it")):
        assert as_uv_calls_it("\n".join(lines[:count][::order]), {}) == ALWAYS | {
            "UV_DEFAULT_INDEX": f"https://{wins}.test"
        }


@pytest.mark.parametrize("line", ["global.client-cert='/etc/me.pem'", ":env:.no-index='1'", "install.platform='any'"])
def test_where_pip_is_told_what_uv_cannot_be_told_pip_installs(line: str) -> None:
    assert as_uv_calls_it(f"global.index-url='https://ours.test/simple'\n{line}\n", {}) is None
