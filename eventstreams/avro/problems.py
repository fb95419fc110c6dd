"""Explains why a value does not fit its Avro schema: with a path and a sentence, never the value itself."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types

_Named = Mapping[str, Mapping[str, object]]  # full name → record or enum

_MAX_STEP: Final = 100  # characters of a key shown in a path; keys come from outside and may have any length
_WORDS: Final = {
    "string": "a string",
    "long": "a 64-bit integer",
    "double": "a number",
    "boolean": "true or false",
    "array": "a list",
    "map": "an object",
    "record": "an object",
    "enum": "one of its names",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A mismatch: ``path`` such as ``$.data.from.location.lat``, ``text`` such as "must be a number"."""

    path: str
    text: str


def find_problem(schema: object, value: object, path: str = "$.data") -> Problem | None:
    """The first place, depth first, where ``value`` does not fit ``schema`` (parsed Avro); None if it fits."""
    return next(_problems(schema, value, path, named_types(schema)), None)


def _problems(schema: object, value: object, path: str, named: _Named) -> Iterator[Problem]:
    if isinstance(schema, list):
        yield from _union_problems(schema, value, path, named)
        return
    spelled = named.get(schema, schema) if isinstance(schema, str) else schema
    kind = kind_of_type(spelled)
    if not _is_kind(kind, value):
        yield Problem(path, f"must be {_WORDS[kind]}, not {_kind_of(value)}")
    elif isinstance(value, str) and not _is_unicode(value):
        yield Problem(path, "must be text that can be encoded as UTF-8, without lone surrogates")
    elif isinstance(spelled, Mapping):
        yield from _inner_problems(spelled, value, path, named)


def _inner_problems(schema: Mapping[str, object], value: object, path: str, named: _Named) -> Iterator[Problem]:
    kind = schema["type"]
    if kind == "record" and isinstance(value, Mapping):
        yield from _record_problems(schema, value, path, named)
    elif kind == "enum" and isinstance(schema["symbols"], list) and value not in schema["symbols"]:
        yield Problem(path, f"must be one of {', '.join(schema['symbols'])}")
    elif kind == "array" and isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _problems(schema["items"], item, f"{path}[{index}]", named)
    elif kind == "map" and isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not _is_unicode(key):
                yield Problem(path, "must have keys that can be encoded as UTF-8")
            yield from _problems(schema["values"], item, _step(path, key), named)


def _record_problems(
    schema: Mapping[str, object], value: Mapping[object, object], path: str, named: _Named
) -> Iterator[Problem]:
    fields = fields_of(schema)
    names = {field["name"] for field in fields}
    for name in value:
        if name not in names:
            yield Problem(_step(path, name), "is not a field of this schema version")
    for field in fields:
        if field["name"] in value:
            yield from _problems(field["type"], value[field["name"]], _step(path, field["name"]), named)
        elif "default" not in field:
            yield Problem(_step(path, field["name"]), "is missing")


def _union_problems(branches: Sequence[object], value: object, path: str, named: _Named) -> Iterator[Problem]:
    if value is None and "null" in branches:
        return
    spelled = [
        named.get(branch, branch) if isinstance(branch, str) else branch for branch in branches if branch != "null"
    ]
    meant = [branch for branch in spelled if _is_kind(kind_of_type(branch), value)]
    if not meant:
        wanted = " or ".join(_WORDS[kind_of_type(branch)] for branch in spelled)
        yield Problem(path, f"must be {wanted}, not {_kind_of(value)}")
        return
    firsts = [next(_problems(branch, value, path, named), None) for branch in meant]
    offences = [first for first in firsts if first is not None]
    if len(offences) == len(firsts):
        yield offences[0]


def _step(path: str, key: object) -> str:
    return f"{path}.{str(key)[:_MAX_STEP].encode('utf-8', 'replace').decode()}"


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_64_bits(value: int) -> bool:
    return -(2**63) <= value < 2**63  # not a range: for a subclass of int, `in` would iterate over it


def _is_kind(kind: str, value: object) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "string" | "enum":
            return isinstance(value, str)
        case "long":
            return isinstance(value, int) and not isinstance(value, bool) and _is_64_bits(value)
        case "double":
            return (isinstance(value, float) and math.isfinite(value)) or _is_kind("long", value)
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
            return "an integer" if _is_64_bits(value) else "an integer beyond 64 bits"
        case float():
            return "a floating-point number" if math.isfinite(value) else "NaN or infinity"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return type(value).__name__
