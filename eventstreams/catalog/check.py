"""Finds everything that is wrong with catalogue folders: what would stop a role, and missing documentation."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from eventstreams.avro.named_types import fields_of, named_types
from eventstreams.avro.problems import find_problem
from eventstreams.catalog import CatalogReading, EventType, Schema, builtin_dir
from eventstreams.catalog.event_rules import events_problems
from eventstreams.catalog.listing import FILE
from eventstreams.catalog.schema_documents import read_example
from eventstreams.errors import CatalogError


def check_catalog(extra_dirs: Sequence[Path] = ()) -> tuple[CatalogReading, Sequence[str]]:
    """Read the built-in catalogue and ``extra_dirs``; also returns every problem in them, folder by folder."""
    reading = CatalogReading()
    found: list[str] = []
    for folder in (builtin_dir(), *extra_dirs):
        before = len(reading.problems)
        schemas = reading.add(folder)
        found += reading.problems[before:]
        if len(reading.problems) == before:
            found += _stray_files(folder, schemas)
        for schema in schemas:
            found += _schema_problems(schema, [each for each in reading.types.values() if each.schema_id == schema.id])
    return reading, list(dict.fromkeys(found))


def _schema_problems(schema: Schema, types: Sequence[EventType]) -> Iterator[str]:
    broken = list(schema.problems())
    yield from broken
    for version in schema.versions:
        try:
            yield from (f"{version.path} {problem}" for problem in _undocumented(version.avro))
        except CatalogError:
            continue  # already reported
    if schema.versions and not broken:
        yield from _example_problems(schema)
        listing = schema.latest.path.parents[1] / FILE
        yield from (f"{listing}: {problem}" for problem in events_problems(schema, types))


def _undocumented(avro: object) -> Iterator[str]:
    for name, type_ in named_types(avro).items():
        if not _says_something(type_):
            yield f"has no doc for {name}"
        if type_["type"] == "record":
            for field in fields_of(type_):
                if not _says_something(field):
                    yield f"has no doc for field {field['name']} of {name}"


def _says_something(documented: Mapping[str, object]) -> bool:
    doc = documented.get("doc")
    return isinstance(doc, str) and bool(doc.strip())


def _example_problems(schema: Schema) -> Iterator[str]:
    try:
        example = read_example(schema)
    except CatalogError as error:
        yield str(error)
        return
    if example is not None and (problem := find_problem(schema.latest.avro, example, "$")):
        yield f"{schema.example}: {problem.path} {problem.text}"


def _stray_files(folder: Path, schemas: Sequence[Schema]) -> Iterator[str]:
    """Report schemas on disk that are not in the listing, so that nobody could subscribe to them."""
    listed = {version.path for schema in schemas for version in schema.versions}
    for path in sorted(folder.glob("*/*.avsc")):
        if path not in listed:
            known = any(path.parent.name == schema.id for schema in schemas)
            what = f"version of schema {path.parent.name}" if known else "schema"
            yield f"{path} belongs to no {what} in {folder / FILE}"
