"""``eventstreams catalog check``: everything that is wrong with a folder, in one go, each with its file and entry."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from eventstreams.catalog.check import check_catalog

DOCS = Path(__file__).parents[2] / "docs" / "adding-an-event-type.md"
VERSION = {"released": "2026-01-02", "changes": "First version."}


def listing() -> dict[str, Any]:
    return {
        "products": {"post": "Post"},
        "schemas": {
            "Post.Parcel": {
                "product": "post",
                "title": "Parcel",
                "versions": {1: VERSION, 2: VERSION},
                "types": {"com.acme.parcel.sent": "A parcel was sent."},
            },
            "Post.Letter": {
                "product": "post",
                "title": "Letter",
                "versions": {1: VERSION},
                "types": {"com.acme.letter.sent": "A letter was sent."},
            },
        },
    }


def record(name: str, *fields: dict[str, object]) -> dict[str, Any]:
    number = {"name": "number", "type": "string", "doc": "Number on the label."}
    return {"type": "record", "name": name, "namespace": "acme", "doc": "What is sent.", "fields": [number, *fields]}


Content = dict[str, Any]


def content() -> Content:
    """The folder's files by name, all of them right."""
    return {
        "catalog.yaml": listing(),
        "Post.Parcel/1.avsc": record("Parcel"),
        "Post.Parcel/2.avsc": record("Parcel"),
        "Post.Letter/1.avsc": record("Letter"),
        "Post.Letter/example.json": {"number": "7"},
    }


def problems_of(folder: Path, files: Content) -> list[str]:
    """What the check says of ``files``, without the folder's name."""
    for name, each in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(each) if name.endswith(".yaml") else json.dumps(each))
    _, problems = check_catalog([folder])
    return [problem.replace(f"{folder}/", "") for problem in problems]


def test_the_products_own_catalogue_has_nothing_wrong() -> None:
    reading, problems = check_catalog()

    assert problems == []
    assert (len(reading.products), len(reading.schemas), len(reading.types)) == (17, 59, 186)


def test_a_folder_that_is_right_has_nothing_wrong(tmp_path: Path) -> None:
    assert problems_of(tmp_path, content()) == []


def _gap(files: Content) -> None:
    files["catalog.yaml"]["schemas"]["Post.Parcel"]["versions"] = {1: VERSION, 3: VERSION}


def _unlisted_version(files: Content) -> None:
    files["Post.Parcel/3.avsc"] = record("Parcel")


def _unlisted_schema(files: Content) -> None:
    files["Post.Card/1.avsc"] = record("Card")


def _other_product(files: Content) -> None:
    files["catalog.yaml"]["schemas"]["Post.Letter"]["product"] = "mail"


def _no_title(files: Content) -> None:
    files["catalog.yaml"]["products"]["post"] = None


def _type_name(files: Content) -> None:
    files["catalog.yaml"]["schemas"]["Post.Letter"]["types"] = {"com.acme.LetterSent": "A letter was sent."}


def _type_words(files: Content) -> None:
    files["catalog.yaml"]["schemas"]["Post.Letter"]["types"] = {"com.acme.letter.sent": " "}


def _incompatible(files: Content) -> None:
    files["Post.Parcel/2.avsc"]["fields"] = [{"name": "number", "type": "long", "doc": "Number on the label."}]


def _field_words(files: Content) -> None:
    del files["Post.Letter/1.avsc"]["fields"][0]["doc"]


def _record_words(files: Content) -> None:
    files["Post.Letter/1.avsc"]["doc"] = ""


def _identity(files: Content) -> None:
    files["Post.Letter/1.avsc"]["fields"][0]["identityType"] = "shoe size"


def _example(files: Content) -> None:
    files["Post.Letter/example.json"] = {"number": 7}


def _no_object(files: Content) -> None:
    files["Post.Letter/example.json"] = [7]


def _events(**entries: object) -> Callable[[Content], None]:
    def make(files: Content) -> None:
        files["catalog.yaml"]["schemas"]["Post.Letter"]["events"] = entries

    make.__name__ = f"_events_{'_'.join(entries)}"
    return make


def _constants(**data: str) -> Callable[[Content], None]:
    def make(files: Content) -> None:
        size = {"type": "enum", "name": "Size", "symbols": ["SMALL", "LARGE"], "doc": "Of the letter."}
        files["Post.Letter/1.avsc"]["fields"] += [
            {"name": "size", "type": size, "doc": "Of the letter."},
            {"name": "weight", "type": "double", "doc": "In g."},
        ]
        del files["Post.Letter/example.json"]
        letter = files["catalog.yaml"]["schemas"]["Post.Letter"]
        letter["events"] = {"filled": {"number": "id"}}
        letter["types"] = {"com.acme.letter.sent": {"description": "A letter was sent.", "data": data}}

    make.__name__ = f"_constants_{'_'.join(data)}"
    return make


MISTAKES = [
    (
        _events(source="/{letter}"),
        "catalog.yaml: schema Post.Letter: events / source: letter is not a string of the data",
    ),
    (
        _events(source="/{number/"),
        (
            "catalog.yaml: schema Post.Letter: events / source: it must be a path such as /parcels/{parcelId}: no "
            "spaces, and braces only around the name of a field"
        ),
    ),
    (
        _events(partition_key=["number", "number.x"]),
        "catalog.yaml: schema Post.Letter: events / partition_key: number.x is not a string of the data",
    ),
    (
        _events(filled={"nr": "id"}),
        "catalog.yaml: schema Post.Letter: events / filled: nr is not a string of the outermost record",
    ),
    (
        _events(id=False),
        "catalog.yaml: schemas / Post.Letter / events / id: it must be two capital letters in quotation marks, or hash",
    ),
    (
        _events(filled={"number": "name"}),
        (
            "catalog.yaml: schemas / Post.Letter / events / filled / number: Input should be 'accountsid', 'id', "
            "'time', 'type' or 'type-ending'"
        ),
    ),
    (
        _constants(number="7"),
        "catalog.yaml: type com.acme.letter.sent: data: number is already filled by its schema",
    ),
    (_constants(size="HUGE"), "catalog.yaml: type com.acme.letter.sent: data: size must be one of SMALL, LARGE"),
    (
        _constants(weight="7"),
        "catalog.yaml: type com.acme.letter.sent: data: weight is neither a string nor an enum of the outermost record",
    ),
    (_gap, "catalog.yaml: schema Post.Parcel: the versions are [1, 3], but must be [1, 2] without gaps"),
    (_unlisted_version, "Post.Parcel/3.avsc belongs to no version of schema Post.Parcel in catalog.yaml"),
    (_unlisted_schema, "Post.Card/1.avsc belongs to no schema in catalog.yaml"),
    (_other_product, "catalog.yaml: schema Post.Letter belongs to product 'mail', which is not listed"),
    (_no_title, "catalog.yaml: products / post: it must be human-readable text"),
    (
        _type_name,
        (
            "catalog.yaml: schemas / Post.Letter / types / com.acme.LetterSent: a type consists of lower-case "
            "words and digits separated by dots, such as com.acme.parcel.sent"
        ),
    ),
    (
        _type_words,
        (
            "catalog.yaml: schemas / Post.Letter / types / com.acme.letter.sent / description: it must be "
            "human-readable text"
        ),
    ),
    (
        _incompatible,
        "Post.Parcel/2.avsc changes the type of field number of acme.Parcel: versions only add fields",
    ),
    (_field_words, "Post.Letter/1.avsc has no doc for field number of acme.Letter"),
    (_record_words, "Post.Letter/1.avsc has no doc for acme.Letter"),
    (_identity, "Post.Letter/1.avsc gives field number identityType 'shoe size': the possible values are phone"),
    (_example, "Post.Letter/example.json: $.number must be a string, not an integer"),
    (_no_object, "Post.Letter/example.json is not a JSON object, which an event's data must be"),
]


@pytest.mark.parametrize(("spoil", "problem"), MISTAKES, ids=[spoil.__name__[1:] for spoil, _ in MISTAKES])
def test_a_mistake_is_told_with_its_file_and_entry(
    tmp_path: Path, spoil: Callable[[Content], None], problem: str
) -> None:
    files = content()
    spoil(files)

    assert problem in problems_of(tmp_path, files)


def test_every_mistake_is_told_not_only_the_first(tmp_path: Path) -> None:
    files = content()
    for spoil in (_no_title, _type_name, _incompatible):
        spoil(files)
    files["Post.Parcel/2.avsc"]["fields"].append({"name": "note", "type": "float"})

    assert problems_of(tmp_path, files) == [
        problem for spoil, problem in MISTAKES if spoil in (_no_title, _type_name)
    ] + [
        "Post.Parcel/2.avsc makes field note float: use double",
        "Post.Parcel/2.avsc changes the type of field number of acme.Parcel: versions only add fields",
        (
            "Post.Parcel/2.avsc adds field note to acme.Parcel without a default: fields that a version adds must be "
            "optional"
        ),
        "Post.Parcel/2.avsc has no doc for field note of acme.Parcel",
    ]


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    files = content()
    files["Post.Letter/1.avsc"] = {"type": "recrod"}
    del files["Post.Parcel/2.avsc"]
    problems_of(tmp_path, files)
    (tmp_path / "Post.Parcel" / "example.json").write_text("{")

    _, problems = check_catalog([tmp_path])

    told = "\n".join(problems)
    assert "Post.Letter/1.avsc is not an Avro schema" in told
    assert "Post.Parcel/2.avsc is missing" in told
    assert "Post.Parcel/example.json is not JSON" in told


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "eventstreams", "catalog", "check", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_says_what_there_is_where_nothing_is_wrong(tmp_path: Path) -> None:
    problems_of(tmp_path, content())

    done = run(str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "18 products, 61 schemas with 120 versions, 188 event types: no problems found\n"


def test_the_command_says_each_problem_on_a_line_and_ends_with_5(tmp_path: Path) -> None:
    files = content()
    _record_words(files)
    _field_words(files)
    problems_of(tmp_path, files)

    done = run(str(tmp_path))

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.splitlines() == [
        f"{tmp_path}/Post.Letter/1.avsc has no doc for acme.Letter",
        f"{tmp_path}/Post.Letter/1.avsc has no doc for field number of acme.Letter",
        "2 problems in the catalogue",
    ]


def test_the_folder_of_the_documentation_has_nothing_wrong(tmp_path: Path) -> None:
    for name, text in re.findall(
        r"^`catalog/(\S+)`[^\n]*:\n\n```\w+\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    reading, problems = check_catalog([tmp_path])

    assert problems == []
    assert reading.schemas["Logistics.Parcel"].example.is_file()
