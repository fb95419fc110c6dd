"""A virtual environment that sees the packages of ours, and in which a test can install more."""

import os
import subprocess
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path


class Environment:
    """A fresh virtual environment in ``folder``; needs no network."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        ours, version = sysconfig.get_path("purelib"), sysconfig.get_python_version()
        site = folder / "lib" / f"python{version}" / "site-packages"
        (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        for command in ("pip", "pytest", "eventstreams"):
            script = self.bin / command
            script.write_text(f'#!/bin/sh\nexec "{self.python}" -m {command} "$@"\n')
            script.chmod(0o755)

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment variables of a process in it, without settings of whoever runs the tests."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}
        return {
            **clean,
            "PATH": f"{self.bin}{os.pathsep}{clean.get('PATH', '')}",
            # What pip is asked for is here already, or is built with what is here.
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this one the wrong way round: 0 means no isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **(extra or {}),
        }

    def run(self, *command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run ``command``, of its ``bin`` or of the system, to its end."""
        return subprocess.run(
            command, cwd=cwd, env=self.environ(), capture_output=True, text=True, timeout=120, check=False
        )
