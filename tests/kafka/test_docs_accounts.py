"""docs/accounts.md: its commands and its Python run as they stand, its paths are there, its promises have tests."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from eventstreams.settings import Settings
from tests.kafka.test_isolation import OPERATIONS
from tests.support.installation import TOKEN
from tests.support.operator import OPERATOR_TOKEN, operated, operator_of
from tests.unit.test_docs_guarantees import PROOF, names_of_tests

pytestmark = pytest.mark.kafka

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "accounts.md").read_text("utf-8")
TABLED: Final = re.compile(r"^\| `(GET|POST|DELETE) (/\S+)` \|", re.MULTILINE)


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"^ *```{language}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE))


async def test_its_commands_run_as_they_stand(settings: Settings, programs: Path) -> None:
    async with operated(settings) as api:
        operator = operator_of(api)
        first, other = [await operator.made("/operator/v1/Accounts", FriendlyName=name) for name in ("a", "b")]
        key = await operator.made(f"/operator/v1/Accounts/{other['sid']}/Keys", Scope="read")
        given = {"SID": first["sid"], "OTHER": other["sid"], "KEY": key["sid"], "SECRET": key["secret"], "api": api.url}
        script = f'set -eu\ncurl() {{ command curl -fsS "$@"; echo; }}\n{blocks("sh")}'

        done, out = await run(["bash", "-c", script], {**given, **of_operator(api.url)}, programs)

    assert done == 0, out
    assert "all secrets now use the first key" in out
    assert "it is not shown again" in out


async def test_its_python_runs_as_it_stands(settings: Settings) -> None:
    async with operated(settings) as api:
        given = {"account_sid": api.installation.account_sid, "auth_token": TOKEN, "api": api.url}
        program = "\n".join(f"{name} = {value!r}" for name, value in given.items()) + "\n" + blocks("python")

        done, out = await run([sys.executable, "-c", program], {})

    assert done == 0, out
    assert out.count(" active") == 2


def test_its_paths_are_operations_of_the_api() -> None:
    there = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in OPERATIONS}

    found = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in TABLED.findall(PAGE)}

    assert len(found) > 8
    assert found <= there


def test_its_promises_name_tests_that_exist() -> None:
    _, _, promised = PAGE.partition("## What holds")
    proofs = PROOF.findall(promised)

    assert len(proofs) > 20
    assert [name for file, name in proofs if name not in names_of_tests(ROOT / file)] == []


def of_operator(url: str) -> dict[str, str]:
    return {"EVENTSTREAMS_PUBLIC_URL": url, "EVENTSTREAMS_OPERATOR_TOKEN": OPERATOR_TOKEN}


async def run(command: list[str], env: dict[str, str], *programs: Path) -> tuple[int | None, str]:
    """Exit code, and all that was said, where ``programs`` and ours are found."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}
    path = os.pathsep.join([*map(str, programs), str(Path(sys.executable).parent), clean.get("PATH", "")])
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**clean, **env, "PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()
