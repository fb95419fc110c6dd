"""Builds the site: ``python -m tools.site [FOLDER [DOCS]]``. Warnings, such as broken links, fail the build."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sphinx.cmd.build import build_main

_HERE: Final = Path(__file__).resolve().parents[2]
_DOCS: Final = _HERE / "docs"
_INTO: Final = _HERE / "build" / "site"


def main() -> None:
    into, docs = (*map(Path, sys.argv[1:]), *(_INTO, _DOCS)[len(sys.argv) - 1 :])
    shutil.rmtree(into, ignore_errors=True)
    with TemporaryDirectory() as read:  # new each time: cached pages would give no warnings
        where = ("-c", str(Path(__file__).parent), "-d", read, str(docs), str(into))
        failed = build_main(["--fail-on-warning", "--quiet", *where]) != 0
    if failed:
        sys.exit("the site is not built: each line above says what is wrong, and where")
    print(f"{into / 'index.html'}: {len(list(into.rglob('*.html')))} pages")


if __name__ == "__main__":
    main()
