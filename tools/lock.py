"""Writes ``requirements.lock`` and the smaller locks beside it.

With ``--check`` it only checks, without a network, that they match ``pyproject.toml``.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_LOCK: Final = _ROOT / "requirements.lock"
_JAVA_LOCK: Final = _ROOT / "requirements-java.lock"
_IMAGE_LOCK: Final = _ROOT / "requirements-image.lock"
_UV_LOCK: Final = _ROOT / "requirements-uv.lock"
_MARK: Final = "# pyproject: "
_COMMON: Final = (
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-strip-extras",  # to a pip of 2023, `name==1` does not pin `name[extra]`
)
_QUIET: Final = ("--no-emit-find-links", "--no-annotate", "--custom-compile-command", "make lock", "--quiet")


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        if _LOCK.read_text().splitlines()[0] != f"{_MARK}{_fingerprint()}":
            sys.exit("requirements.lock was made for other dependencies than pyproject.toml names: run make lock")
        return
    _run(sys.executable, "-m", "pip", "install", "--quiet", "uv")
    groups = ("--extra", "local", "--group", "dev")
    _run(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *groups, *_COMMON, *_QUIET, "-o", _LOCK.name)
    _LOCK.write_text(f"{_MARK}{_fingerprint()}\n{_LOCK.read_text()}")
    about = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    _compile(about["project"]["optional-dependencies"]["java"], _JAVA_LOCK)
    _compile(about["dependency-groups"]["image"], _IMAGE_LOCK)
    _compile(about["dependency-groups"]["setup"], _UV_LOCK)
    print("requirements.lock written: run make setup")


def _compile(requirements: Sequence[str], lock: Path) -> None:
    command = (sys.executable, "-m", "uv", "pip", "compile", "-", *_COMMON, *_QUIET, "-o", lock.name)
    _run(*command, stdin="\n".join(requirements))


def _fingerprint() -> str:
    """A hash of everything in pyproject.toml that determines what is installed."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    about = project["project"]
    parts = [about["dependencies"], about["optional-dependencies"], project["dependency-groups"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _run(*command: str, stdin: str = "") -> None:
    subprocess.run(command, cwd=_ROOT, check=True, input=stdin, text=True)


if __name__ == "__main__":
    main()
