"""Rewords the library's errors about an expression for the author of the filter.

The library's errors can be told apart only by their text. Those that are not recognized here are passed on unchanged.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from eventstreams.filters.descriptions import OUTERMOST
from eventstreams.filters.filter import ATTRIBUTES, DATA
from eventstreams.filters.language import ALLOWED, LibraryRefusal

_PLACED: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_NO_FIELD: Final = re.compile(r"undefined field '(\w+)' not found in struct '([\w.]+)'")
_RECORD: Final = re.compile(rf"{DATA}\.R\d+")
_NO_NAME: Final = re.compile(r"undeclared reference to '([^']*)'")
_NO_OVERLOAD: Final = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_SYNTAX: Final = re.compile(r"Syntax error: (?:mismatched|extraneous) input '([^']*)'")
_DEEP: Final = "recursion"
_UNKNOWN: Final = re.compile(r"Syntax error: token recognition error at: '(.+?)\s*'$")
_NOT_CEL: Final = {"AND": "&&", "OR": "||", "NOT": "!", "=": "==", "&": "&&", "|": "||"}
_QUOTES: Final = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb`"
_MOST_FIELDS: Final = 12
_MOST_WORDS: Final = 300

Fields = Mapping[str, Sequence[str]]
_NONE: Final[Fields] = MappingProxyType({})


def in_words(
    refusal: LibraryRefusal, *, known: Iterable[str] = (*ATTRIBUTES, DATA), fields: Fields = _NONE, about: str = ""
) -> str:
    """Say what is wrong with an expression, and where.

    Args:
        refusal: The library's error.
        known: The existing variables.
        fields: The field names of each message that describes data.
        about: The event type and version that the expression was checked for.
    """
    places = list(_PLACED.finditer(str(refusal)))
    if not places:
        return "it is nested too deeply" if _DEEP in str(refusal) else _cut(str(refusal).partition(" [")[0])
    # Inside a macro that is not allowed there are unknown names, which the library reports first.
    found = next((each for each in places if (name := _NO_NAME.search(each[3])) and name[1] in _NEVER), places[0])
    line, column, text = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    said = _field(text, fields, about) or _name(text, fields, tuple(known)) or _types(text) or _grammar(text) or text
    if line < 0:
        return _cut(said)
    # The position of an operator is that of its last character. The line is given only if it is not the first.
    where = f"at character {column}" if line == 1 else f"in line {line}, at character {column}"
    return _cut(f"{said} ({where})")


def _field(text: str, fields: Fields, about: str) -> str | None:
    if (match := _NO_FIELD.search(text)) is None:
        return None
    field, message = match.groups()
    there = fields.get(message, ())
    whole = DATA if message == OUTERMOST else "this part of the data"
    return f"{whole} of {about} has no {field}: {_instead(field, there)}"


def _name(text: str, fields: Fields, known: Sequence[str]) -> str | None:
    if (match := _NO_NAME.search(text)) is None:
        return None
    first = match[1].partition(".")[0]
    if not first[:1].isalpha() or first in _NEVER:
        return f"{_spelled(first)} is not supported, only {ALLOWED}"
    if first in fields.get(OUTERMOST, ()):
        return f"there is no {first}: write {DATA}.{first}"
    return f"there is no {first}, only {', '.join(known)}"


_TIMESTAMP: Final = "google.protobuf.Timestamp"
_NEVER: Final = frozenset({"matches", "dyn", "all", "exists", "exists_one", "map", "filter", "bytes", "uint", "bool"})


def _types(text: str) -> str | None:
    if (match := _NO_OVERLOAD.search(text)) is None:
        return None
    operator, types = _spelled(match[1]), match[2]
    if "null" in types:
        return f"no field is ever null: test for a field that may be absent with has({DATA}.…)"
    hint = ""
    if {"int", "double"} <= set(types.split(", ")):
        hint = ": write 4 for a whole number and 4.0 for one with a fraction, or convert with int() or double()"
    elif _TIMESTAMP in types:
        hint = ": write a time as timestamp('2026-03-29T04:00:00Z')"
    return f"{operator} cannot be applied to {_plain(types)}{hint}"


def _grammar(text: str) -> str | None:
    if (unknown := _UNKNOWN.search(text)) is not None:
        return _unknown(unknown[1])
    match = _SYNTAX.search(text)
    if match is None:
        return text.partition(" expecting ")[0] if text.startswith("Syntax error") else None
    found = match[1]
    if found.upper() in _NOT_CEL:
        return f"{found} is not CEL: write {_NOT_CEL[found.upper()]}"
    return "it ends prematurely" if found == "<EOF>" else f"{found!r} is not allowed there"


def _unknown(found: str) -> str:
    """What is wrong with characters that begin nothing in CEL; the library gives them with the character after them."""
    if found[0] in "'\"":
        return f"the text that begins with {found[0]} does not end: {found[0]} is missing"
    if found[0] in _QUOTES:
        return f"{found[0]} is not a quotation mark in CEL: write ' or \""
    if found[0] in _NOT_CEL and found[:2] != "=~":
        return f"{found[0]} is not CEL: write {_NOT_CEL[found[0]]}"
    return f"{found[0]!r} is not allowed there"


def _instead(field: str, there: Sequence[str]) -> str:
    near = difflib.get_close_matches(field.lower(), [each.lower() for each in there], n=1)
    if near:
        return f"did you mean {next(each for each in there if each.lower() == near[0])}?"
    shown = ", ".join(there[:_MOST_FIELDS])
    return f"there are {shown}{', …' if len(there) > _MOST_FIELDS else ''}"


def _spelled(operator: str) -> str:
    return operator.removeprefix("@").strip("_").replace("_", "") or operator


def _plain(types: str) -> str:
    """The library's type names, in the terms of a filter's author."""
    types = _RECORD.sub("a record", types.replace(OUTERMOST, DATA).replace(_TIMESTAMP, "a time"))
    return types.replace(", ", " and ")


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}…"
