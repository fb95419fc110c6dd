"""``python -m tools.dashboards`` writes the files; ``--check`` only checks whether they match the code."""

import sys
from pathlib import Path
from typing import Final

import orjson

from tools.dashboards.model import Dashboard
from tools.dashboards.pages import ALL

FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy/helm/eventstreams/files/dashboards"


def text_of(dashboard: Dashboard) -> bytes:
    return orjson.dumps(dashboard.json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def main() -> None:
    wanted = {FOLDER / f"{each.name}.json": text_of(each) for each in ALL}
    stale = [file for file, text in wanted.items() if not file.exists() or file.read_bytes() != text]
    left = [file for file in FOLDER.glob("*.json") if file not in wanted]
    if sys.argv[1:] == ["--check"]:
        if changed := [*stale, *left]:
            sys.exit(f"the dashboard {changed[0].name} is not what the code says any more: run make docs")
        return
    for file in left:
        file.unlink()
    for file in stale:
        file.write_bytes(wanted[file])
        print(f"{file.name} written")


if __name__ == "__main__":
    main()
