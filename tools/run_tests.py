"""Runs the tests, and those that failed once more, alone: ``python -m tools.run_tests ARGUMENTS_OF_PYTEST``.

Five test processes, each with brokers and roles of its own, share two cores; a virtual machine may stand still beside
that for seconds. A test that failed there has shown something, but not which of the two. So up to :data:`MOST` of them
are run :data:`TIMES` times with nothing else on the machine, and must pass each time. What failed at first stays in the
output, and its name is the last thing that is said: it is a finding to be looked into, but does not hold the change up.
More than that is no coincidence, and fails (docs/adr/0038-a-failed-test-is-judged-again-alone.md).
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

MOST: Final = 3
"""Tests of one run. The suite has more than 8,000; no run since it had 7,000 had more than one that passed alone."""

TIMES: Final = 2

_TESTS_FAILED: Final = 1  # of pytest's exit codes the only one that says that all else went well
_LAST_FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")  # what pytest --last-failed reads, too


def main(arguments: Sequence[str]) -> int:
    """The exit code of pytest, or 0 where all that failed passed alone."""
    # Cleared: what an earlier run left there has not failed in this one.
    code = _pytest("--cache-clear", *arguments)
    if code != _TESTS_FAILED or not _LAST_FAILED.exists():
        return code
    failed = sorted(json.loads(_LAST_FAILED.read_text(encoding="utf-8")))
    if len(failed) > MOST:
        print(f"{len(failed)} tests failed: more than the {MOST} that are judged again alone")
        return code
    for turn in range(1, TIMES + 1):
        print(f"\nalone, {turn} of {TIMES}: {', '.join(failed)}", flush=True)
        if code := _pytest(*failed):
            return code
    print("\npassed alone, and FAILED beside others (why is above; please find out):", *failed, sep="\n  ")
    return 0


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
