"""Finds Prometheus and its promtool: the machine's own, or Debian's, unpacked into the cache without root rights.

They are used to test rules and dashboards. ``python -m tools.prometheus`` only fetches them.
"""

import fcntl
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventstreams.errors import PrerequisiteError
from eventstreams.local.kafka import default_cache

_PACKAGE: Final = "prometheus"
_FETCH_S: Final = 300
_HELP: Final = "install Prometheus, so that prometheus and promtool are on the PATH"


@dataclass(frozen=True, slots=True)
class Programs:
    """The paths of the two programs."""

    prometheus: Path
    promtool: Path


def find_programs() -> Programs:
    """Find both programs, and download them first if they are missing.

    Raises:
        PrerequisiteError: they cannot be obtained; the text says what would help.
    """
    found = [shutil.which(name) for name in ("prometheus", "promtool")]
    if all(found):
        prometheus, promtool = (Path(each) for each in found if each)
        return Programs(prometheus, promtool)
    folder = default_cache() / _PACKAGE
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{_PACKAGE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in parallel
        if not folder.is_dir():
            _unpack(folder)
    return Programs(folder / "usr/bin/prometheus", folder / "usr/bin/promtool")


def _unpack(folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PrerequisiteError(f"there is no Prometheus, and this is no Debian that has one: {_HELP}")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as scratch:
        if not _download(Path(scratch)):  # the package lists may be outdated or missing
            _run(["apt-get", "update"], Path(scratch))
            if not _download(Path(scratch)):
                raise PrerequisiteError(f"Debian's package {_PACKAGE} could not be downloaded: {_HELP}")
        [package] = Path(scratch).glob("*.deb")
        made = Path(scratch) / "made"
        if not _run(["dpkg-deb", "--extract", str(package), str(made)], Path(scratch)):
            raise PrerequisiteError(f"{package.name} could not be unpacked: {_HELP}")
        made.rename(folder)


def _download(scratch: Path) -> bool:
    """Download the package, which apt verifies against the archive's signed index; returns whether it worked."""
    return _run(["apt-get", "download", _PACKAGE], scratch) and any(scratch.glob("*.deb"))


def _run(command: list[str], folder: Path) -> bool:
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=_FETCH_S, check=False).returncode == 0


if __name__ == "__main__":
    print(find_programs().promtool)
