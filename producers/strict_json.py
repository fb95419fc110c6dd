"""Parses JSON as required for events: strict UTF-8, no NaN, bounded in depth, and no key twice in one object."""

import json
import re
from typing import Final

import orjson

from producers.outcomes import Invalid

_KEY_END: Final = re.compile(rb'"[ \t\r\n]*:')
_MAX_SHOWN: Final = 60  # characters of a key from outside that are shown


def parse_json(raw: bytes) -> object | Invalid:
    """The JSON value in ``raw``: strict UTF-8, no NaN, nested at most 1,024 deep (orjson's bound), no key twice.

    Parsers disagree on which value of a repeated key counts, and an event must not have two meanings.
    """
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return _not_utf8(raw) or Invalid("$", f"is not JSON: {error}")
    # A quotation mark before a colon ends a key, or is escaped inside a string. If there are as many of them as keys in
    # the result, no key was repeated.
    if len(_KEY_END.findall(raw)) != _count_keys(value):
        return _repeated(raw) or value
    return value


def _not_utf8(raw: bytes) -> Invalid | None:
    """The first byte that is not UTF-8, for which orjson has only misleading words; None if there is none."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return Invalid("$", f"is not UTF-8, which JSON must be: byte 0x{raw[error.start]:02x} at offset {error.start}")
    return None


def _count_keys(value: object) -> int:
    found, rest = 0, [value]
    for each in rest:
        if isinstance(each, dict):
            found += len(each)
            rest += [inner for inner in each.values() if isinstance(inner, dict | list)]
        elif isinstance(each, list):
            rest += [inner for inner in each if isinstance(inner, dict | list)]
    return found


def _repeated(raw: bytes) -> Invalid | None:
    """The problem of the first key that occurs twice in its object, found the slow way; None if there is none."""
    repeated: list[str] = []

    def see(pairs: list[tuple[str, object]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                repeated.append(name)
            names.add(name)

    try:
        json.loads(raw, object_pairs_hook=see, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return Invalid("$", "is nested too deeply")
    return Invalid("$", f"has the key {repeated[0][:_MAX_SHOWN]!r} twice in one object") if repeated else None
