"""Writes ``requirements.lock``; with ``--check`` only says whether it fits ``pyproject.toml``, without a network."""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_LOCK: Final = _ROOT / "requirements.lock"
_JAVA_LOCK: Final = _ROOT / "requirements-java.lock"
_MARK: Final = "# pyproject: "
_COMMON: Final = (
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-strip-extras",  # a pip of 2023 holds `name==1` for no pin of `name[extra]`
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
    java = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["java"]
    _run(
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "-",
        *_COMMON,
        *_QUIET,
        "-o",
        _JAVA_LOCK.name,
        stdin="\n".join(java),
    )
    print("requirements.lock written: run make setup")


def _fingerprint() -> str:
    """Of everything in pyproject.toml that decides what is installed."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    about = project["project"]
    parts = [about["dependencies"], about["optional-dependencies"], project["dependency-groups"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _run(*command: str, stdin: str = "") -> None:
    subprocess.run(command, cwd=_ROOT, check=True, input=stdin, text=True)


if __name__ == "__main__":
    main()
