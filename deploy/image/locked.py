"""Holds what the image installs against ``requirements.lock``. Standard library alone: it runs before all else.

``wanted EXTRAS`` prints what the project asks for with these extras, ``versions`` the locked versions as pip's
constraints. ``check REPORT`` reads pip's report of what it installed: each file must have a locked hash. (pip takes
hashes for a whole list only, and the lock's list is for development and has twice as much in it. Only wheels are
installed, so nothing of a file has run before it is checked.)
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ ;\\]+)(?P<marker> *;[^\\]*)?")
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


def main() -> None:
    """One of three small commands."""
    match sys.argv[1:]:
        case ["wanted", extras]:
            print(*wanted(extras), sep="\n")
        case ["versions"]:
            print(*versions(), sep="\n")
        case ["check", report]:
            check(json.loads(Path(report).read_text()))
        case _:
            sys.exit(__doc__)


def wanted(extras: str) -> Iterator[str]:
    """The requirements of the project itself with ``extras``, names with commas."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    known = project["optional-dependencies"]
    yield from project["dependencies"]
    for extra in filter(None, (each.strip() for each in extras.split(","))):
        if extra not in known:
            sys.exit(f"EXTRAS: there is no extra {extra!r}; there are: {', '.join(sorted(known))}")
        yield from known[extra]


def versions() -> Iterator[str]:
    """A constraint for each pin."""
    for line in Path("requirements.lock").read_text().splitlines():
        if pin := PIN.match(line):
            yield f"{pin['name']}=={pin['version']}{(pin['marker'] or '').rstrip()}"


def check(report: dict) -> None:  # type: ignore[type-arg]  # whatever pip wrote
    """End with a sentence where a file that was installed is not one of the lock's."""
    locked = set(HASH.findall(Path("requirements.lock").read_text()))
    for each in report["install"]:
        found = f"sha256:{each['download_info']['archive_info']['hashes']['sha256']}"
        if found not in locked:
            about = each["metadata"]
            sys.exit(f"{about['name']} {about['version']}: {found} is no hash of requirements.lock; run make lock")
    print(f"{len(report['install'])} distributions, each with a hash of requirements.lock")


if __name__ == "__main__":
    main()
