"""What is run again alone, and what is not: on suites of a few lines, with the real pytest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.run_tests import MOST, TIMES

_ROOT = Path(__file__).parents[2]

_ONCE = """
from pathlib import Path

def test_{name}():
    runs = Path("{name}.runs")
    before = len(runs.read_text()) if runs.exists() else 0
    runs.write_text("x" * (before + 1))
    assert before not in {failing}
"""


_HOW_NICE = """
import os
from pathlib import Path

def test_{name}():
    Path("{name}.nice").write_text(str(os.nice(0)))
"""

_BESIDE = ("--tx", "popen", "--tx", "popen//nice=5", "--dist", "loadfile", "--no-loadscope-reorder")

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "PYTHONPATH": str(_ROOT),
    # Two dozen starts of pytest, with none of the plugins that they do not need.
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "xdist.plugin",
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")  # as in our own
    return tmp_path


def add(suite: Path, name: str, *, failing: set[int]) -> None:
    """A test that fails in those of its runs, the first being 0."""
    (suite / f"test_{name}.py").write_text(_ONCE.format(name=name, failing=failing or "()"))


def run(suite: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.run_tests", *arguments],
        cwd=suite,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def runs_of(suite: Path, name: str) -> int:
    return len((suite / f"{name}.runs").read_text())


def test_what_passes_is_run_once(suite: Path) -> None:
    add(suite, "steady", failing=set())

    assert run(suite).returncode == 0
    assert runs_of(suite, "steady") == 1


def test_what_fails_beside_others_and_never_alone_passes_and_is_named_last(suite: Path) -> None:
    add(suite, "steady", failing=set())
    add(suite, "shaken", failing={0})

    done = run(suite, "--numprocesses", "2")

    assert done.returncode == 0, done.stdout
    assert "assert 0 not in" in done.stdout  # why it failed
    assert done.stdout.endswith(
        "FAILED beside others (why is above; please find out):\n  test_shaken.py::test_shaken\n"
    )
    assert runs_of(suite, "shaken") == 1 + TIMES
    assert runs_of(suite, "steady") == 1


@pytest.mark.parametrize("second", range(1, TIMES + 1))
def test_what_fails_alone_even_once_fails(suite: Path, second: int) -> None:
    add(suite, "broken", failing={0, second})

    assert run(suite).returncode == 1
    assert runs_of(suite, "broken") == 1 + second


def test_of_many_that_fail_none_is_judged_again(suite: Path) -> None:
    names = [f"shaken_{number}" for number in range(MOST + 1)]
    for name in names:
        add(suite, name, failing={0})

    done = run(suite)

    assert done.returncode == 1
    assert f"{MOST + 1} tests failed: none is judged again alone" in done.stdout
    assert {runs_of(suite, name) for name in names} == {1}


def test_what_failed_in_an_earlier_run_is_not_judged_in_this_one(suite: Path) -> None:
    add(suite, "shaken", failing={0, 1})
    add(suite, "steady", failing={1})
    assert run(suite, "test_shaken.py").returncode == 1

    assert run(suite, "test_steady.py").returncode == 0
    assert run(suite, "test_steady.py").returncode == 0  # fails beside others

    assert runs_of(suite, "shaken") == 2
    assert runs_of(suite, "steady") == 2 + TIMES


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_test_that_ends_its_process_is_not_run_again(suite: Path, processes: str) -> None:
    (suite / "test_odd.py").write_text("import os\n\ndef test_it():\n    os._exit(7)\n")

    done = run(suite, "--numprocesses", processes)

    assert done.returncode == (7 if processes == "0" else 1)
    assert "alone, 1" not in done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_module_that_cannot_be_read_is_no_failed_test(suite: Path, processes: str) -> None:
    add(suite, "shaken", failing={0})
    (suite / "test_odd.py").write_text("import nothing_of_the_kind\n")

    done = run(suite, "--numprocesses", processes)

    assert done.returncode != 0
    assert "alone, 1" not in done.stdout


def test_a_process_of_lower_priority_takes_unit_tests_alone_and_from_the_end(suite: Path) -> None:
    for folder in ("tests/kafka", "tests/unit"):
        (suite / folder).mkdir(parents=True)
        for number in range(5):
            name = f"{folder.rpartition('/')[2]}_{number}"
            (suite / folder / f"test_{name}.py").write_text(_HOW_NICE.format(name=name))

    done = run(suite, *_BESIDE)

    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout
    more = {each.stem: int(each.read_text()) - os.nice(0) for each in suite.glob("*.nice")}
    assert len(more) == 10
    assert {more[f"kafka_{number}"] for number in range(5)} == {0}
    assert more["unit_4"] == min(5, 19 - os.nice(0))  # it is given out before anything has run


def test_a_process_of_lower_priority_that_finds_no_unit_test_ends(suite: Path) -> None:
    for number in range(3):
        add(suite, f"steady_{number}", failing=set())

    done = run(suite, *_BESIDE)

    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_run_that_ends_before_its_tests_is_refused(suite: Path) -> None:
    add(suite, "shaken", failing={0})

    done = run(suite, "-x")

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "maxfail ends a run otherwise than by its tests" in done.stderr


_ONE_READER = """
import os
from pathlib import Path

READER = os.getpid()

def test_{name}():
    Path("{name}.reader").write_text(f"{{READER}} {{os.getpid()}}")
"""


def test_processes_that_are_forked_have_their_tests_from_one_that_has_read_them(suite: Path) -> None:
    for number in range(4):
        (suite / f"test_{number}.py").write_text(_ONE_READER.format(name=number))

    done = run(suite, "--forked", *_BESIDE, "--tx", "popen")

    told = [each.read_text().split() for each in suite.glob("*.reader")]
    assert len(told) == 4, done.stdout
    [reader] = {read_by for read_by, _ in told}
    assert reader not in {run_by for _, run_by in told}
    assert "4 passed" in done.stdout
    assert done.returncode == 0


def test_where_a_test_cannot_be_read_nothing_is_forked_and_it_is_said(suite: Path) -> None:
    add(suite, "steady", failing=set())
    (suite / "test_odd.py").write_text("import nowhere\n")

    done = run(suite, "--forked", "--tx", "2*popen", "--dist", "loadfile")

    assert done.returncode != 0
    assert "No module named 'nowhere'" in done.stdout
