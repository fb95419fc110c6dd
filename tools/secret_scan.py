"""Searches files in git for secrets, with detect-secrets' pattern detectors, and without verifying them online.

``.secrets.baseline`` lists the known false alarms: examples in docs and tests. ``--write`` regenerates it; check what
was added. Detectors based on entropy or keywords are off, since tests are full of both.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection

_ROOT: Final = Path(__file__).resolve().parent.parent
_BASELINE: Final = _ROOT / ".secrets.baseline"
_NOT: Final = (".lock", ".baseline", "package-lock.json", ".avsc", "openapi.json", "spec.json")  # hashes; generated
_IN_TESTS: Final = "Basic Auth Credentials"  # URLs with a user in them, of which tests are full too


def main() -> None:
    os.chdir(_ROOT)  # file names are relative, so that the baseline is valid in any clone
    known = baseline.load(json.loads(_BASELINE.read_text()), _BASELINE.name)  # also selects its detectors
    found = SecretsCollection()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\0"):
        if name and not name.endswith(_NOT):
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


if __name__ == "__main__":
    main()
