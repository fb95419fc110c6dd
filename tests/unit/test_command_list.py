"""The list of commands says all of them, each in a line, and loads none to say so."""

import gc
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import click
import pytest
from click.shell_completion import ShellComplete

from eventstreams.cli import main as cli
from eventstreams.cli.command_list import SECTIONS, SUMMARIES
from eventstreams.cli.main import GROUP, eventstreams

LONGEST: Final = 56  # beside the longest name, on a terminal of 80 columns
SAYS_WHAT_IS_LOADED: Final = """
import sys
from eventstreams.cli.main import eventstreams
eventstreams({arguments}, standalone_mode=False)
print([name for name in sys.modules if name.split(".")[0] in ("aiohttp", "confluent_kafka", "pydantic", "rich")])
"""


class OfAPlugin:
    """What an installed plugin brings, beside our own."""

    def __init__(self) -> None:
        @click.command
        def weather() -> None:
            """Ask the sky."""

        self._command = weather
        self._ours = entry_points(group=GROUP)

    def __call__(self, *, group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == GROUP
        point = EntryPoint("weather", f"{__name__}:never", GROUP)
        object.__setattr__(point, "load", lambda: self._command)
        return [each for each in (*self._ours, point) if name in {None, each.name}]


def test_each_command_is_in_one_section_and_fits_a_line() -> None:
    ours = [
        each.name for each in entry_points(group=GROUP) if each.dist is not None and each.dist.name == "eventstreams"
    ]
    listed = [name for section in SECTIONS.values() for name in section]

    assert sorted(listed) == sorted(ours)
    assert [said for said in SUMMARIES.values() if len(said) > LONGEST or said.endswith(".")] == []


@pytest.mark.parametrize("arguments", ["['--help']", "['-h']"])
def test_they_are_listed_without_being_loaded(arguments: str) -> None:
    code = SAYS_WHAT_IS_LOADED.format(arguments=arguments)

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()

    assert said[-1] == "[]"
    for name, summary in SUMMARIES.items():
        assert f"  {name.ljust(18)}  {summary}" in said


def test_a_plugins_command_is_listed_with_its_own_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "entry_points", OfAPlugin())

    with click.Context(eventstreams, info_name="eventstreams") as context:
        said = eventstreams.get_help(context)

    assert said.endswith("From plugins:\n  weather             Ask the sky.")


def test_a_shell_completes_them_with_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "entry_points", OfAPlugin())
    complete = ShellComplete(eventstreams, {}, "eventstreams", "_EVENTSTREAMS_COMPLETE")

    found = {each.value: each.help for each in complete.get_completions([], "")}
    begun = {each.value: each.help for each in complete.get_completions([], "s")}

    assert found == {**SUMMARIES, "weather": "Ask the sky."}
    assert set(begun) == {name for name in SUMMARIES if name.startswith("s")}
    assert [each.value for each in complete.get_completions([], "--p")] == ["--profile"]


def test_what_a_command_imports_is_never_searched_for_garbage() -> None:
    made = [[number] for number in range(1000)]
    before = gc.get_freeze_count()

    with cli.collecting_no_imports():
        enabled_inside = gc.isenabled()
        made += [[number] for number in range(1000)]

    assert not enabled_inside
    assert gc.get_freeze_count() >= before + 1000
