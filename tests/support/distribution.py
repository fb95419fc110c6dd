"""Writes distributions as pip installs them, so that a test finds a plugin just as an installation does."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from eventstreams.control.vault import new_key

GROUP = "eventstreams.sinks"


def install(
    folder: Path, name: str, *, modules: Mapping[str, str], entries: Mapping[str, str], group: str = GROUP
) -> None:
    """Install distribution ``name`` 1.0 into ``folder``: ``modules`` by file name, and entry points ``entries``."""
    for file, text in modules.items():
        (folder / file).write_text(text)
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{group}]", *(f"{sink_type} = {value}" for sink_type, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))


def eventstreams(
    *arguments: str, path: Path, cwd: Path, program: Sequence[str | Path] = (sys.executable, "-m", "eventstreams")
) -> "subprocess.CompletedProcess[str]":
    """Run our command line with the distributions in ``path`` installed as well, until it ends; without a broker."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}
    return subprocess.run(
        [*program, *arguments],
        env=clean
        | {
            "PYTHONPATH": str(path),
            "EVENTSTREAMS_KAFKA": "127.0.0.1:9",
            "EVENTSTREAMS_KAFKA_WAIT": "1s",
            "EVENTSTREAMS_SECRET_KEY": new_key(),
            "EVENTSTREAMS_ADMIN_LISTEN": "127.0.0.1:0",
            "EVENTSTREAMS_API_LISTEN": "127.0.0.1:0",
        },
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
