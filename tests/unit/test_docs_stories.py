"""docs/adding-an-event-type.md: its story can be simulated as it stands, and its events fit its schema."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Final

import pytest

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.events import Event
from producers.encoder import EncodedEvent, EventEncoder
from tests.support.distribution import eventstreams, install
from tests.support.page import blocks_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "adding-an-event-type.md"
GROUP: Final = "eventstreams.stories"
ACCOUNT: Final = "AC" + "1" * 32
SIMULATE: Final = ("simulate", "--account", ACCOUNT, "--count", "10", "--print", "--seed", "1")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the page makes, its stories installed."""
    folder = tmp_path_factory.mktemp("own")
    found = re.findall(r"^`(\S+)`[^\n]*:\n\n```\w+\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for name, content in found:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    installed = folder / "installed"
    installed.mkdir()
    modules = {"logistics_stories.py": (folder / "logistics_stories.py").read_text()}
    [project] = [tomllib.loads(each.text)["project"] for each in blocks_of(PAGE) if each.language == "toml"]
    install(installed, "acme", modules=modules, entries=project["entry-points"][GROUP], group=GROUP)
    return folder


def test_the_story_of_the_page_is_told_and_its_events_fit_their_schema(files: Path) -> None:
    [typed] = [each.text for each in blocks_of(PAGE) if "eventstreams simulate" in each.text]
    program, *arguments = shlex.split(typed.replace("AC…", ACCOUNT))

    done = eventstreams(*arguments, "--seed", "1", path=files / "installed", cwd=files)

    assert program == "eventstreams"
    assert done.returncode == 0, done.stderr
    catalog = Catalog.load([files / "catalog"])
    encoder = EventEncoder(catalog, Codec(catalog, schema_base_url="https://schemas.example.com"))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == 10
    for each in events:
        event = Event(type=each["type"], source=each["source"], account_sid=each["accountsid"], data=each["data"])
        assert isinstance(encoder.encode(event), EncodedEvent)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("raise RuntimeError('oops')", "stories broken:PRODUCT cannot be loaded: RuntimeError: oops"),
        ("PRODUCT = 3", "stories broken:PRODUCT are not a SimulatedProduct"),
        (
            "from producers.simulator import SimulatedProduct as S\nPRODUCT = S('voice', 1, {})",
            "stories broken:PRODUCT belong to product 'voice', which already has stories",
        ),
    ],
    ids=["raises", "something else", "a name that is taken"],
)
def test_stories_that_are_broken_are_named(tmp_path: Path, module: str, words: str) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    install(installed, "broken", modules={"broken.py": module}, entries={"broken": "broken:PRODUCT"}, group=GROUP)

    done = eventstreams(*SIMULATE, path=installed, cwd=tmp_path)

    assert done.returncode == 6
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
