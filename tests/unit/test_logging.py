"""Log lines for people: what others wrote neither obeys a terminal nor makes lines of its own."""

import subprocess
import sys

import pytest

HOSTILE = "\x1b[2J\x9b31m\u202eok\n2026-03-29T04:00:00Z [error] forged"
PROGRAM = f"""
import logging
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import configure_logging, get_logger

hostile = {HOSTILE!r}
configure_logging(Settings.load(log_format=__import__("sys").argv[1]), role="api")
get_logger("ours").warning("request.failed", path=hostile, among=[hostile])
logging.getLogger("a library").warning("it says %s", hostile)
try:
    raise ValueError(hostile)
except ValueError:
    get_logger("ours").exception("request.failed")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_whatever_is_logged_obeys_no_terminal_and_forges_no_line(form: str) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True)

    assert [each for each in ran.stderr if not each.isprintable() and each != "\n"] == []
    assert ran.stderr.count("forged") == 4
    assert len([line for line in ran.stderr.splitlines() if not line.startswith("  ")]) == 3


def test_a_role_starts_without_what_draws_tables_and_commands_have_it() -> None:
    code = (
        "import sys, sink_workers.cli, control_api.cli, router.cli, producers.cli, producers.gateway.role\n"
        "print('rich' in sys.modules)\n"
        "from rich.console import Console; import rich\n"
        "print(rich.__name__, Console.__name__)"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout == "False\nrich Console\n"
