"""``eventstreams generate-producers``: typed classes for the built-in catalogue and for anybody's own."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner, Result

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.errors import CatalogError, PrerequisiteError
from eventstreams.events import Event
from producers.encoder import EncodedEvent, EventEncoder
from producers.generator.cli import generate_producers

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs" / "adding-an-event-type.md"
ACCOUNT: Final = "AC" + "1" * 32
MARK: Final = '"""Written by ``eventstreams generate-producers``."""\n'


def generate(*arguments: object) -> Result:
    return CliRunner().invoke(generate_producers, [str(each) for each in arguments])


def module(path: Path) -> Any:
    """The module in ``path``, imported."""
    spec = importlib.util.spec_from_file_location(f"generated_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # where dataclasses look their types up
    spec.loader.exec_module(made)
    return made


def encoder(*folders: Path) -> EventEncoder:
    catalog = Catalog.load(folders)
    return EventEncoder(catalog, Codec(catalog, schema_base_url="https://schemas.example.com"))


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that docs/adding-an-event-type.md makes."""
    folder = tmp_path_factory.mktemp("own")
    for name, content in re.findall(
        r"^`catalog/(\S+)`[^\n]*:\n\n```\w+\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_the_modules_of_the_built_in_catalogue_are_current() -> None:
    result = generate("--check", "--into", ROOT / "producers" / "products")

    assert (result.exit_code, result.output) == (0, "15 modules are up to date\n")


def test_an_operators_own_catalogue_gets_its_classes(parcels: Path, tmp_path: Path) -> None:
    result = generate(parcels, "--into", tmp_path / "acme" / "events")

    assert result.exit_code == 0, result.output
    assert sorted(each.name for each in (tmp_path / "acme" / "events").iterdir()) == ["__init__.py", "logistics.py"]
    logistics = module(tmp_path / "acme" / "events" / "logistics.py")
    [program] = re.findall(r"```python\nfrom acme.events import logistics\n(.*?)```", DOCS.read_text(), re.DOTALL)
    scope: dict[str, Any] = {"logistics": logistics}
    exec(program, scope)
    event = scope["event"].event()
    parcel = "00340434161094027318"
    assert (event.type, event.source, event.partition_key) == (
        "com.acme.parcel.delivered",
        f"/parcels/{parcel}",
        parcel,
    )
    assert event.schema_version == 2
    assert isinstance(encoder(parcels).encode(event), EncodedEvent)


def test_what_is_stale_or_gone_is_told_by_check_and_mended_without_it(parcels: Path, tmp_path: Path) -> None:
    assert generate("--check", parcels, "--into", tmp_path).exit_code == 1
    assert generate(parcels, "--into", tmp_path).exit_code == 0
    assert generate("--check", parcels, "--into", tmp_path).exit_code == 0

    (tmp_path / "mine.py").write_text("")
    (tmp_path / "post.py").write_text(MARK)
    result = generate("--check", parcels, "--into", tmp_path)
    assert (result.exit_code, "post.py no longer matches the catalogue" in result.stderr) == (1, True)
    generate(parcels, "--into", tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["__init__.py", "logistics.py", "mine.py"]
    (tmp_path / "logistics.py").write_text(MARK)
    assert generate("--check", parcels, "--into", tmp_path).exit_code == 1


def test_what_somebody_wrote_by_hand_is_neither_overwritten_nor_removed(parcels: Path, tmp_path: Path) -> None:
    by_hand = {"logistics.py": "PARCELS = 1\n", "about.py": f'"""Mine."""\n\nMARK = {MARK!r}\n'}
    for name, source in by_hand.items():
        (tmp_path / name).write_text(source)

    refused = generate(parcels, "--into", tmp_path)
    assert "logistics.py already exists and was not generated" in str(refused.exception)
    (tmp_path / "logistics.py").unlink()
    assert generate(parcels, "--into", tmp_path).exit_code == 0

    assert (tmp_path / "about.py").read_text() == by_hand["about.py"]


def test_a_folder_that_cannot_be_written_is_a_sentence(parcels: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    refused = generate(parcels, "--into", tmp_path / "file" / "modules")

    assert isinstance(refused.exception, PrerequisiteError)
    assert str(refused.exception).endswith("file/modules cannot be read or written: Not a directory")


def field(name: str, type_: object, doc: str = "Some words.") -> dict[str, object]:
    optional = {"default": None} if isinstance(type_, list) and type_[0] == "null" else {}
    return {"name": name, "type": type_, "doc": doc, **optional}


def record(name: str, *fields: dict[str, object], doc: str = "What it is.") -> dict[str, object]:
    return {"type": "record", "name": name, "doc": doc, "fields": list(fields)}


SCALARS: Final = ["null", "boolean", "long", "double", "string"]
SIZE: Final = {"type": "enum", "name": "Size", "symbols": [f"SIZE_{number}" for number in range(20)], "doc": "Size."}
BOX: Final = record("Box", field("size", SIZE), field("data", ["null", {"type": "map", "values": SCALARS}]))
HARD: Final = record(
    "Event",
    field("id", "string"),
    field("str", ["null", "long"]),
    field("override", ["null", "boolean"]),
    field("class", ["null", "string"]),
    field("__time__", ["null", "string"]),
    field("accountSid", "string", 'Ends in "quotes"'),
    field("eventSid", "string", 'Back\\slash, """three quotes""" and a \\'),
    field("event_sid", "string", "word-" * 60),
    field("first", ["null", BOX]),
    field("boxes", {"type": "array", "items": {"type": "map", "values": record("none", field("inner", "Box"))}}),
    field("either", ["null", "long", "none"]),
    field("Data", "Size"),
    doc="A hard one; it has ``code``, a { brace } and a line\nthat goes on " + "and on " * 30,
)

TWIN: Final = record("Event", field("box", record("Box", field("x", "long"))))


def hard_listing() -> dict[str, Any]:
    return {
        "products": {"class": 'Things "in" boxes'},
        "schemas": {
            "Hard.Thing": {
                "product": "class",
                "title": "Thing",
                "events": {
                    "source": "/{id}/{eventSid}",
                    "filled": {"accountSid": "accountsid", "eventSid": "type-ending"},
                },
                "versions": {1: {"released": "2026-01-02", "changes": "First version."}},
                "types": {
                    "com.acme.thing.made": 'A thing\'s "been" made.\\',
                    "com.acme.thing.lost": {"description": "Lost.", "status": "deprecated", "data": {"Data": "SIZE_7"}},
                },
            },
            "Hard.Twin": {  # its record has the same name, and another Box
                "product": "class",
                "title": "Twin",
                "versions": {1: {"released": "2026-01-02", "changes": "First version."}},
                "types": {"com.acme.twin.made": "Made.", "com.acme.twin.lost": "Lost."},
            },
        },
    }


def hard(folder: Path, change: Callable[[dict[str, Any]], None] = lambda listing: None) -> Path:
    """A catalogue whose names are in Python's way."""
    listing = hard_listing()
    change(listing)
    (folder / "Hard.Thing").mkdir(parents=True)
    (folder / "catalog.yaml").write_text(yaml.safe_dump(listing))
    (folder / "Hard.Thing" / "1.avsc").write_text(json.dumps(HARD))
    (folder / "Hard.Twin").mkdir()
    (folder / "Hard.Twin" / "1.avsc").write_text(
        json.dumps(record("Event", field("box", record("Box", field("x", "long")))))
    )
    return folder


def test_names_that_are_in_pythons_way_are_stepped_around(tmp_path: Path) -> None:
    folder = hard(tmp_path / "catalog")
    result = generate(folder, "--into", tmp_path / "out")
    assert result.exit_code == 0, result.output
    made = module(tmp_path / "out" / "class_.py")

    box = made.Box(size="SIZE_3", data={"a": 1, "b": None})
    arguments = {
        "account_sid": ACCOUNT,
        "id_": "T1",
        "str_": 1,
        "override_": True,
        "class_": "x",
        "time_": "now",
        "event_sid_": "b",
        "first": box,
        "boxes": [{"c": made.None_(inner=box)}],
        "either": made.None_(inner=box),
    }
    thing = made.ThingMade(**arguments, data="SIZE_7")
    data = {
        "id": "T1",
        "str": 1,
        "override": True,
        "class": "x",
        "__time__": "now",
        "accountSid": ACCOUNT,
        "eventSid": "thing.made",
        "event_sid": "b",
        "first": {"size": "SIZE_3", "data": {"a": 1, "b": None}},
        "boxes": [{"c": {"inner": {"size": "SIZE_3", "data": {"a": 1, "b": None}}}}],
        "either": {"inner": {"size": "SIZE_3", "data": {"a": 1, "b": None}}},
        "Data": "SIZE_7",
    }
    by_hand = Event(
        type=thing.TYPE, source="/T1/thing.made", account_sid=ACCOUNT, data=data, id=thing.id, time=thing.time
    )
    assert thing.event().data == data
    assert encoder(folder).encode(thing.event()) == encoder(folder).encode(by_hand)
    with pytest.warns(DeprecationWarning, match=r"com\.acme\.thing\.lost may cease: Lost\."):
        lost = made.ThingLost(**arguments)
    assert lost.event().data == data | {"eventSid": "thing.lost"}
    twin = made.TwinMade(account_sid=ACCOUNT, source="/twins", box=made.EventBox(x=1))
    assert twin.event().data == {"box": {"x": 1}}


@pytest.mark.parametrize("which", ["parcels", "hard"])
def test_generated_modules_need_no_formatter_and_satisfy_strict_mypy(which: str, parcels: Path, tmp_path: Path) -> None:
    folder = parcels if which == "parcels" else hard(tmp_path / "catalog")
    assert generate(folder, "--into", tmp_path / "out").exit_code == 0

    for command in (
        ["ruff", "format", "--diff", "--config", str(ROOT / "pyproject.toml"), str(tmp_path / "out")],
        ["mypy", "--strict", f"--cache-dir={tmp_path}/cache", "--config-file=", str(tmp_path / "out")],
    ):
        found = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr


def _no_such_field(listing: dict[str, Any]) -> None:
    listing["schemas"]["Hard.Thing"]["events"]["source"] = "/things/{number}"


def _same_class(listing: dict[str, Any]) -> None:
    listing["schemas"]["Hard.Thing"]["types"]["com.acme.thing.broken"] = {
        "description": "Broken.",
        "name_in_code": "ThingMade",
    }


def _imported_name(listing: dict[str, Any]) -> None:
    listing["schemas"]["Hard.Thing"]["types"]["com.acme.thing.made"] = {
        "description": "Made.",
        "name_in_code": "ProductEvent",
    }


def _nothing_published(listing: dict[str, Any]) -> None:
    listing["schemas"]["Hard.Thing"]["types"] = {"com.acme.thing.made": {"description": "M.", "status": "discontinued"}}
    listing["schemas"]["Hard.Twin"]["types"] = {"com.acme.twin.made": {"description": "M.", "internal": True}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_no_such_field, "catalog.yaml: schema Hard.Thing: events / source: number is not a string of the data"),
        (_same_class, "would both be class ThingMade: give one of them a name_in_code"),
        (_imported_name, "com.acme.thing.made cannot be class ProductEvent: give it another name_in_code"),
        (_nothing_published, "has no event types that a product may publish"),
    ],
)
def test_a_catalogue_that_cannot_become_classes_is_told_and_nothing_is_written(
    change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    result = generate(hard(tmp_path / "catalog", change), "--into", tmp_path / "out")

    assert isinstance(result.exception, CatalogError)
    assert words in str(result.exception)
    assert not (tmp_path / "out").exists()
