"""Runs the commands of a documentation page in a shell, one after the other, as a reader would."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from tests.support.page import Block
from tests.support.snippet_kinds import without_ellipses

_END: Final = "-- end of a command:"
_ELLIPSIS: Final = "…"


class Shell:
    """A bash that keeps its state from command to command. Use as ``with``."""

    def __init__(self, env: Mapping[str, str], *, cwd: str) -> None:
        self._process = subprocess.Popen(
            ["bash", "-s"],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, command: str, *, given: str = "y") -> str:
        """Run ``command``, which must succeed, with ``given`` as the reply to prompts; return all its output."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            f"set -o pipefail; {{ {command}\n}} <<< {shlex.quote(given)}\nprintf '\\n{_END} %s\\n' $?\n"
        )
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_END):
                assert line.split()[-1] == "0", f"{command}\nended with {line.split()[-1]}:\n{''.join(said)}"
                return "".join(said)
            said.append(line)
        raise AssertionError(f"{command}\nended the shell:\n{''.join(said)}")


def commands(text: str) -> Iterator[str]:
    """Yield the commands of a block, multi-line ones as a whole."""
    lines: list[str] = []
    for line in text.splitlines():
        lines.append(line)
        command = "\n".join(lines)
        if command.endswith("\\") or subprocess.run(["bash", "-nc", command], capture_output=True).returncode:  # noqa: PLW1510
            continue
        lines.clear()
        if command.strip() and not command.lstrip().startswith("#"):
            yield command
    assert not lines, f"this is never whole:\n{text}"


def same_shape(printed: Block, real: Any) -> None:
    """Assert that the JSON on the page has the names and types of values of ``real``, except where ``…`` stands."""
    _same(
        json.loads(without_ellipses(printed.text)), real, closed=_ELLIPSIS not in re.sub(r'"[^"]*"', "", printed.text)
    )


def _same(shown: Any, real: Any, *, closed: bool, at: str = "") -> None:
    if shown is None or real is None or shown in ({}, []) or real in ({}, []):
        return  # may be there or not
    is_number = isinstance(shown, int | float) and not isinstance(shown, bool)
    as_shown = isinstance(real, int | float) if is_number else type(real) is type(shown)
    assert as_shown, f"{at} is {real!r}, not as {shown!r}"
    if isinstance(shown, dict):
        assert set(shown) <= set(real), f"{at}: there is no {set(shown) - set(real)}"
        assert not closed or set(real) <= set(shown), f"{at}: the page does not have {set(real) - set(shown)}"
        for name, value in shown.items():
            _same(value, real[name], closed=closed, at=f"{at}.{name}")
    elif isinstance(shown, list):
        _same(shown[0], real[0], closed=closed, at=f"{at}[0]")


def same_lines(printed: Block, said: str) -> None:
    """Assert that each check shown on the page gave the shown result: lines begin with the result and the subject."""
    good = [line.partition(":")[0].split() for line in printed.text.splitlines() if line.startswith("ok")]
    assert good
    lines = [line.partition(":")[0].split() for line in said.splitlines()]
    assert [each for each in good if each not in lines] == [], said
