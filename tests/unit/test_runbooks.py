"""docs/runbooks: what they tell a person to type is there: commands, options, addresses, settings, other pages."""

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import click
import pytest

from control_api.operations import ALL
from eventstreams.settings import PREFIX, Settings

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = [*sorted((DOCS / "runbooks").glob("*.md")), DOCS / "monitoring.md"]


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text()


def test_commands_and_their_options_are_there(page: str) -> None:
    commands = {each.name: each for each in entry_points(group="eventstreams.commands")}
    for name, rest in re.findall(r"\beventstreams ([a-z-]+)((?: [^\n`#]*)?)", page):
        if name not in commands:
            continue  # a word of a sentence
        command = commands[name].load()
        for word in rest.split():
            if not isinstance(command, click.Group):
                break
            command = command.commands[word]
        assert isinstance(command, click.Command)
        known = {option for parameter in command.params for option in parameter.opts}
        used = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest.partition("|")[0]))
        assert used <= known, f"eventstreams {name} {rest}"


def test_addresses_of_the_api_are_there(page: str) -> None:
    there = {re.sub(r"\{\w+\}", "*", each.path) for each in ALL}
    for path in re.findall(r"(?<!/api)(/v1/[A-Za-z…/]+)", page):
        assert re.sub(r"/(DF|DG|EZ)…", "/*", path) in there, path


def test_settings_are_there(page: str) -> None:
    for name in re.findall(rf"{PREFIX}([A-Z_]+)", page):
        assert name.lower() in Settings.model_fields, name


def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)", page):
        assert (DOCS / link).exists() or (DOCS / "runbooks" / link).exists(), link
