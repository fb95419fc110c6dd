"""Makes the form for a sink's configuration from its plugin's model, and the configuration from a filled-in form. Pure.

Nothing is validated here: the API has the plugin do so, and its errors are put beside the fields that they name.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import orjson
from pydantic import BaseModel

from eventstreams.http import RefusedError

PREFIX: Final = "c."
"""The prefix of these fields' names in the form."""
_LONG: Final = 4096  # a text that may have more characters gets a multi-line field: a PEM, not a URL
_MOST: Final = (1 << 63) - 1  # the largest integer that every JSON implementation here can represent
_USE: Final = "on"
_RARE: Final = frozenset({"long", "number", "pairs", "json", "group"})
"""Kinds of fields that are ``rare`` unless required."""
_MODELS: Final = 100  # far more than plugins are installed
_SHORT: Final = frozenset({"arn", "url", "id", "tls", "ca", "sasl", "ms"})
_REFUSAL: Final = re.compile(r"Sink not \w+: (?:SinkConfiguration(?: ([\w.-]+))?: )?(.*)", re.DOTALL)

Schema = Mapping[str, Any]
Json = dict[str, object]


class Kind(StrEnum):
    """How a field is filled in. ``pairs``: lines of ``name: value``; ``json``: everything else."""

    TEXT = "text"
    LONG = "long"
    SECRET = "secret"  # noqa: S105 - a kind of field
    NUMBER = "number"
    CHECK = "check"
    CHOICE = "choice"
    PAIRS = "pairs"
    JSON = "json"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigField:
    """One key of a configuration.

    Attributes:
        path: Its keys, joined by dots.
        kind: How it is filled in.
        help: Its description.
        required: Whether it must be given.
        default: Its default value.
        choices: The values to choose from.
        bounds: HTML attributes that limit its value.
        hides: Whether its values are secrets, which the API never shows.
        fields: The fields of a group, which is part of the configuration only if its box is checked.
        rare: Whether most sinks do not need it: it is shown below the others, collapsed.
    """

    path: str
    kind: Kind
    help: str = ""
    required: bool = False
    default: object = None
    choices: Sequence[str] = ()
    bounds: Mapping[str, object]
    hides: bool = False
    fields: Sequence["ConfigField"] = ()
    rare: bool = False

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.path}"

    @property
    def key(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def label(self) -> str:
        words = [word.upper() if word in _SHORT else word for word in self.key.split("_")]
        return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])

    @property
    def placeholder(self) -> str:
        """The value that applies if the field is left empty."""
        return str(self.default) if isinstance(self.default, int | float | str) else ""


@lru_cache(maxsize=_MODELS)
def fields_of(model: type[BaseModel]) -> Sequence[ConfigField]:
    """The fields of ``model``, required ones first."""
    schema = model.model_json_schema()  # takes some milliseconds
    return tuple(_fields(schema, schema.get("$defs", {}), ""))


def read(fields: Sequence[ConfigField], given: Mapping[str, str]) -> Json:
    """The configuration in the form ``given``; empty fields are left out."""
    found: Json = {}
    for field in fields:
        text = given.get(field.name, "")
        if field.kind is Kind.GROUP:
            if text == _USE:
                found[field.key] = read(field.fields, given)
        elif field.kind is Kind.CHECK:
            if (text == _USE) is not (field.default is True):
                found[field.key] = text == _USE
        elif text.strip():
            found[field.key] = _value(field.kind, text)
    return found


def _value(kind: Kind, text: str) -> object:
    match kind:
        case Kind.NUMBER:
            return _number(text.strip())
        case Kind.PAIRS:
            return _pairs(text)
        case Kind.JSON:
            return _json(text)
        case Kind.SECRET:
            return text
        case Kind.TEXT | Kind.LONG | Kind.CHOICE | Kind.CHECK | Kind.GROUP:
            return text.strip()


def written(fields: Sequence[ConfigField], shown: Mapping[str, object]) -> dict[str, str]:
    """The form for ``shown``, a configuration as the API shows it: fields for secrets are empty."""
    found: dict[str, str] = {}
    for field in fields:
        value = shown.get(field.key)
        match field.kind, value:
            case Kind.GROUP, Mapping():
                found |= {field.name: _USE, **written(field.fields, value)}
            case Kind.CHECK, _:
                found[field.name] = _USE if (field.default is True if value is None else value is True) else ""
            case Kind.SECRET, _:
                pass
            case _, None:
                pass
            case Kind.PAIRS, Mapping():
                found[field.name] = "\n".join(f"{name}: {each}" for name, each in value.items())
            case Kind.JSON, _:
                found[field.name] = orjson.dumps(value).decode()
            case _:
                found[field.name] = str(value)
    return found


def initial(fields: Sequence[ConfigField]) -> dict[str, str]:
    """The form before anything is filled in."""
    return written(fields, {field.key: field.default for field in fields if field.kind is Kind.CHOICE})


def problems(error: RefusedError, fields: Sequence[ConfigField]) -> dict[str, str]:
    """What is wrong, by the name of the field it is about; by the empty name if that is not known.

    The key is parsed out of the API's message, which only decides where the message is shown.
    """
    found = _REFUSAL.fullmatch(str(error))
    if found is None:
        return {"": str(error)}
    path, text = found[1] or "", found[2]
    sentence = text[:1].upper() + text[1:]
    if not path:
        return {"description" if text.startswith("Description") else "": sentence}
    names = [each.name for each in _all(fields) if path == each.path or path.startswith(f"{each.path}.")]
    return {max(names, key=len): sentence} if names else {"": f"{path}: {text}"}


def _all(fields: Sequence[ConfigField]) -> Sequence[ConfigField]:
    return [each for field in fields for each in (field, *_all(field.fields))]


def _fields(schema: Schema, shared: Schema, path: str) -> Sequence[ConfigField]:
    needed = schema.get("required", [])
    found: list[ConfigField] = []
    for key, each in schema["properties"].items():
        field = _field(each, shared, f"{path}{key}", required=key in needed)
        # A secret belongs to the field before it: the key to its certificate, the password to its user.
        rare = field.kind in _RARE or (field.kind is Kind.SECRET and bool(found) and found[-1].rare)
        found.append(replace(field, rare=rare and not field.required))
    return sorted(found, key=lambda field: (not field.required, field.rare, field.kind is Kind.GROUP))


def _field(declared: Schema, shared: Schema, path: str, *, required: bool) -> ConfigField:
    schema = _one(declared, shared)
    kind = _kind(schema)
    values = schema.get("additionalProperties")
    return ConfigField(
        path=path,
        kind=kind,
        help=str(declared.get("description", "")),
        required=required,
        default=declared.get("default"),
        choices=[str(each) for each in schema.get("enum", ())] if kind is Kind.CHOICE else (),
        bounds=_bounds(schema),
        hides=kind is Kind.SECRET or (isinstance(values, Mapping) and values.get("format") == "password"),
        fields=_fields(schema, shared, f"{path}.") if kind is Kind.GROUP else (),
    )


def _bounds(schema: Schema) -> Mapping[str, object]:
    """The bounds in ``schema`` that HTML attributes can express."""
    named = (("minimum", "min"), ("maximum", "max"), ("maxLength", "maxlength"))
    found = {html: schema[name] for name, html in named if name in schema}
    return found | ({"step": "any"} if schema.get("type") == "number" else {})


def _one(schema: Schema, shared: Schema) -> Schema:
    """``schema`` with references resolved, and without an alternative of null."""
    if "$ref" in schema:
        found = shared[str(schema["$ref"]).rpartition("/")[2]]
        return _one(found, shared)
    several = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return _one(several[0], shared) if len(several) == 1 else schema


def _kind(schema: Schema) -> Kind:
    match schema:
        case {"enum": _}:
            return Kind.CHOICE
        case {"type": "string", "format": "password"}:
            return Kind.SECRET
        case {"type": "string"}:
            return Kind.LONG if schema.get("maxLength", 0) > _LONG else Kind.TEXT
        case {"type": "integer" | "number"}:
            return Kind.NUMBER
        case {"type": "boolean"}:
            return Kind.CHECK
        case {"type": "object", "properties": _}:
            return Kind.GROUP
        case {"type": "object", "additionalProperties": {"type": "string"}}:
            return Kind.PAIRS
        case _:
            return Kind.JSON


def _number(text: str) -> object:
    """``text`` as a number, or unchanged if it is not one: then the API says so."""
    try:
        found = int(text)
    except ValueError:
        pass
    else:
        return found if abs(found) <= _MOST else text
    try:
        fraction = float(text)
    except ValueError:
        return text
    return fraction if math.isfinite(fraction) else text  # it would become null in JSON, which removes the key


def _pairs(text: str) -> Json:
    found: Json = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, value = line.partition(":")
        found[name.strip()] = value.strip()
    return found


def _json(text: str) -> object:
    """``text`` as JSON, or unchanged if it is not JSON: then the API says so."""
    try:
        found: object = orjson.loads(text)
        orjson.dumps(found)  # it reads 1,024 levels and writes 254
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return text
    return found
