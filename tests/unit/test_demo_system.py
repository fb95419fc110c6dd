"""How the demo waits for its system: not for ever, and without stopping what it waits for."""

import subprocess
import sys

import pytest

from examples.demo import system
from examples.demo.system import DemoError, _wait_until_ready


def saying(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_system_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_READY_S", 0.3)
    with saying("import time; time.sleep(100)") as process:
        with pytest.raises(DemoError, match="did not become ready"):
            _wait_until_ready(process)
        process.kill()


def test_a_system_that_ends_is_given_up_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with saying("print('Auth token x'); print('no Java here')") as process, pytest.raises(DemoError):
        _wait_until_ready(process)

    assert capsys.readouterr().out == "  no Java here\n"


def test_a_system_that_goes_on_talking_is_not_stopped_by_it() -> None:
    with saying("print('ready', flush=True); print('x' * (1 << 20))") as process:
        _wait_until_ready(process)

        assert process.wait(60) == 0
