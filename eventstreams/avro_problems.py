"""What is wrong with a value that does not fit its Avro schema: a path and a sentence, never the value itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_INT64: Final = range(-(2**63), 2**63)
_WORDS: Final = {
    "string": "a string",
    "long": "a 64-bit integer",
    "int": "a 32-bit integer",
    "double": "a number",
    "float": "a number",
    "boolean": "true or false",
    "null": "nothing",
    "bytes": "bytes",
    "array": "a list",
    "map": "an object",
    "record": "an object",
    "enum": "one of its names",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """The first offence: ``path`` such as ``$.data.from.location.lat``, ``text`` such as "must be a number"."""

    path: str
    text: str


def find_problem(schema: object, value: object, path: str = "$.data") -> Problem | None:
    """The first place, depth first, where ``value`` does not fit ``schema`` (parsed Avro); None if it fits."""
    return next(_problems(schema, value, path, {}), None)


def _problems(schema: object, value: object, path: str, named: dict[str, object]) -> Iterator[Problem]:
    if isinstance(schema, str) and schema in named:
        schema = named[schema]
    if isinstance(schema, list):
        yield from _union_problems(schema, value, path, named)
        return
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if isinstance(schema, Mapping) and "name" in schema:
        named[str(schema["name"])] = schema
    if not _is_kind(kind, value):
        yield Problem(path, f"must be {_WORDS.get(str(kind), kind)}, not {_kind_of(value)}")
    elif kind == "record" and isinstance(schema, Mapping) and isinstance(value, Mapping):
        yield from _record_problems(schema, value, path, named)
    elif kind == "enum" and isinstance(schema, Mapping) and value not in schema["symbols"]:
        yield Problem(path, f"must be one of {', '.join(schema['symbols'])}")
    elif kind == "array" and isinstance(schema, Mapping) and isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _problems(schema["items"], item, f"{path}[{index}]", named)
    elif kind == "map" and isinstance(schema, Mapping) and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _problems(schema["values"], item, f"{path}.{key}", named)


def _record_problems(
    schema: Mapping[str, object], value: Mapping[object, object], path: str, named: dict[str, object]
) -> Iterator[Problem]:
    fields = schema["fields"]
    assert isinstance(fields, list)
    names = {field["name"] for field in fields}
    for name in value:
        if name not in names:
            yield Problem(f"{path}.{name}", "is not a field of this schema version")
    for field in fields:
        if field["name"] in value:
            yield from _problems(field["type"], value[field["name"]], f"{path}.{field['name']}", named)
        elif "default" not in field:
            yield Problem(f"{path}.{field['name']}", "is missing")


def _union_problems(
    branches: Sequence[object], value: object, path: str, named: dict[str, object]
) -> Iterator[Problem]:
    firsts = [next(_problems(branch, value, path, named), None) for branch in branches if branch != "null"]
    offences = [first for first in firsts if first is not None]
    if (value is None and "null" in branches) or len(offences) < len(firsts):
        return
    # What was meant is the branch of the value's own kind: its offence lies deeper than the others'.
    yield max(offences, key=lambda problem: len(problem.path))


def _is_kind(kind: object, value: object) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string" | "enum":
            return isinstance(value, str)
        case "bytes":
            return isinstance(value, bytes)
        case "long" | "int":
            return isinstance(value, int) and not isinstance(value, bool) and value in _INT64
        case "double" | "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list | tuple)
        case _:  # record, map
            return isinstance(value, Mapping)


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int():
            return "an integer" if value in _INT64 else "an integer beyond 64 bits"
        case float():
            return "a number"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return type(value).__name__
