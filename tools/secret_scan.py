"""Searches files in git for secrets, with detect-secrets' pattern detectors, and without verifying them online.

``.secrets.baseline`` lists the known false alarms: examples in docs and tests. ``--write`` regenerates it; check what
was added. Detectors based on entropy or keywords are off, since tests are full of both.

detect-secrets calls each detector for each line, which takes a minute. Only files in which a detector's expression is
found at all are given to it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from detect_secrets.core import baseline
from detect_secrets.core.scan import _get_lines_from_file as readings
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import get_plugins

_ROOT: Final = Path(__file__).resolve().parent.parent
_BASELINE: Final = _ROOT / ".secrets.baseline"
_NOT: Final = (".lock", ".baseline", "package-lock.json", ".avsc", "openapi.json", "spec.json")  # hashes; generated
_IN_TESTS: Final = "Basic Auth Credentials"  # URLs with a user in them, of which tests are full too


def main() -> None:
    os.chdir(_ROOT)  # file names are relative, so that the baseline is valid in any clone
    known = baseline.load(json.loads(_BASELINE.read_text()), _BASELINE.name)  # also selects its detectors
    found, expressions = SecretsCollection(), _expressions()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\0"):
        if name and not name.endswith(_NOT) and _may_hold_one(name, expressions):
            found.scan_file(name)
    if sys.argv[1:] == ["--write"]:
        _BASELINE.write_text(json.dumps(baseline.format_for_output(found), indent=2) + "\n")
        return
    new = [
        f"{name}:{each.line_number}: {each.type}"
        for name, each in found - known
        if not (name.startswith("tests/") and each.type == _IN_TESTS)
    ]
    if new:
        sys.exit("this looks like secrets; if they are none: python -m tools.secret_scan --write\n" + "\n".join(new))


def _expressions() -> Sequence[re.Pattern[str]]:
    """What the detectors look for in a line, so that each is found in a text of many lines if it is in one of them."""
    each = [expression for detector in get_plugins() for expression in detector.denylist]
    return [re.compile(expression.pattern, expression.flags | re.MULTILINE) for expression in each]


def _may_hold_one(name: str, expressions: Sequence[re.Pattern[str]]) -> bool:
    """Whether detect-secrets can find anything in the file, as it is or as detect-secrets rewrites it (YAML, INI)."""
    if not Path(name).is_file():  # deleted, but not yet in git
        return False
    texts = ["\n".join(line.rstrip() for line in lines) for lines in readings(name)]
    return any(expression.search(text) for expression in expressions for text in texts)


if __name__ == "__main__":
    main()
