"""Hypothesis strategies derived from Avro schemas: any data that an event of a schema version may have."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from hypothesis import strategies as st

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types
from eventstreams.catalog import SchemaVersion

_TEXT: Final = st.text(st.characters(codec="utf-8"), max_size=20)
_PLAIN: Final[Mapping[str, st.SearchStrategy[object]]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": _TEXT,
}
_MOST: Final = 3  # items of a list or map


@cache
def data_of(version: SchemaVersion) -> st.SearchStrategy[dict[str, object]]:
    """Data that fits ``version``: required fields are always present, optional ones sometimes, and none is null."""
    return _record(version.avro, named_types(version.avro))


def _record(type_: object, named: Mapping[str, Mapping[str, object]]) -> st.SearchStrategy[dict[str, object]]:
    assert isinstance(type_, Mapping)
    required, optional = {}, {}
    for field in fields_of(type_):
        name, inner = str(field["name"]), field["type"]
        if "default" in field:
            assert isinstance(inner, list)
            optional[name] = _values([branch for branch in inner if branch != "null"], named)
        else:
            required[name] = _values(inner, named)
    return st.fixed_dictionaries(required, optional=optional)


def _values(type_: object, named: Mapping[str, Mapping[str, object]]) -> st.SearchStrategy[object]:
    if isinstance(type_, list):
        return st.one_of([_values(branch, named) for branch in type_])
    kind = kind_of_type(type_)
    if kind in _PLAIN:
        return _PLAIN[kind]
    spelled = named[type_] if isinstance(type_, str) else type_
    assert isinstance(spelled, Mapping)
    return _INNER[str(spelled["type"])](spelled, named)


def _enum(type_: Mapping[str, object], _: Mapping[str, Mapping[str, object]]) -> st.SearchStrategy[object]:
    symbols = type_["symbols"]
    assert isinstance(symbols, Sequence)
    return st.sampled_from(symbols)


_INNER: Final[Mapping[str, Callable[..., st.SearchStrategy[object]]]] = {
    "record": _record,
    "enum": _enum,
    "array": lambda type_, named: st.lists(_values(type_["items"], named), max_size=_MOST),
    "map": lambda type_, named: st.dictionaries(_TEXT, _values(type_["values"], named), max_size=_MOST),
}


def as_delivered(version: SchemaVersion, record: object) -> object:
    """Return ``record``, which fits ``version``, without fields that are null. Items of maps are kept even if null."""
    return _delivered(version.avro, record, named_types(version.avro))


def _delivered(type_: object, value: object, named: Mapping[str, Mapping[str, object]]) -> object:
    if not isinstance(value, dict | list):
        return value
    if isinstance(type_, list):
        # The catalogue's unions have at most one branch that contains other types.
        [type_] = [branch for branch in type_ if kind_of_type(branch) not in _PLAIN]
    spelled = named.get(type_, type_) if isinstance(type_, str) else type_
    assert isinstance(spelled, Mapping)
    if isinstance(value, list):
        return [_delivered(spelled["items"], each, named) for each in value]
    if spelled["type"] == "map":
        return {key: _delivered(spelled["values"], each, named) for key, each in value.items()}
    types = {str(field["name"]): field["type"] for field in fields_of(spelled)}
    return {name: _delivered(types[name], each, named) for name, each in value.items() if each is not None}
