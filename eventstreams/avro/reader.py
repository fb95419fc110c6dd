"""Compiles two versions of an Avro schema into a function that decodes what one wrote as the other has it.

The counterpart of ``writer``: here too the schemas are examined once and turned into Python source. For all valid data
it returns what fastavro's reader does, without fields that have no value; a test compares the two. It refuses more than
fastavro: numbers beyond 64 bits, NaN and infinity (JSON has neither), negative lengths and indices, a boolean that is
neither 0 nor 1, and a union's branch index encoded in more bytes than needed.

The source checks no length against the end of the bytes. Every value begins with a byte that must exist, so whatever
follows a truncated string fails, and for a string at the end of the record the position after it reveals the problem.
Input can never make it loop or allocate beyond the input's own size.
"""

import struct
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Final

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types

Reader = Callable[[bytes], dict[str, object]]
"""Decodes a record's fields, without those that have no value; raises ``UnreadableError`` if the bytes are invalid."""

_Keep = Callable[[str], str] | None
"""Returns the statement that stores an expression; None if the value is only skipped."""

_Named = Mapping[str, Mapping[str, object]]

_unpack_double: Final = struct.Struct("<d").unpack_from
_LONGEST: Final = 10  # bytes of a 64-bit number, seven bits in each


NOT_FINITE: Final = "it contains a number that is NaN or infinite"


class UnreadableError(ValueError):
    """The bytes are not a record of the schema; the text says why, without revealing their content."""


def compile_reader(wrote: object, wanted: object) -> Reader | None:
    """A reader of data written with ``wrote`` (parsed Avro, a record) that returns it as ``wanted``, another version.

    None if they differ in more than the catalogue's rules allow, which is fields with the default null, or if this
    module does not support them.
    """
    return _compiled(partial(_Source, wrote, wanted))


def compile_check(schema: object, *, of_ascii: bool) -> Reader | None:
    """A reader of ``schema`` that only validates: it fails where the other one would, and is faster.

    ``of_ascii``: for bytes that are all ASCII, so that strings in them need no check. None as for ``compile_reader``.
    """
    return _compiled(partial(_Source, schema, schema, keeps=False, of_ascii=of_ascii))


def _compiled(make: "Callable[[], _Source]") -> Reader | None:
    try:
        source = make()
        code = compile(source.text, "<reader of an Avro schema>", "exec")
    except (_UnsupportedError, SyntaxError):  # the latter: Python nests at most 20 loops (3.13: 21), so ten lists
        return None
    scope = source.constants
    exec(code, scope)  # noqa: S102 - names go in by repr()
    record = scope[source.main]
    assert callable(record)

    def read(value: bytes) -> dict[str, object]:
        data: dict[str, object] = {}
        try:
            end = record(value, 0, data)
        except (IndexError, OverflowError, struct.error):  # the second: after a string longer than any memory
            raise UnreadableError("it ends prematurely") from None
        except UnicodeDecodeError as error:
            raise UnreadableError(f"it contains text that is not UTF-8: {error.reason}") from None
        except KeyError:
            raise UnreadableError("it contains an invalid boolean or an enum index out of range") from None
        except RecursionError:
            raise UnreadableError("it is nested too deeply") from None
        if end > len(value):
            raise UnreadableError("it ends prematurely")
        if end < len(value):
            raise UnreadableError(f"it has {len(value) - end} bytes after its last field")
        return data

    return read


class _UnsupportedError(Exception):
    """The schemas have something that this module does not support."""


class _Source:
    """Python source of a reader: a function for each pair of records, and the lookup tables that they use.

    A function ``record0(buf, pos, data)`` decodes at ``pos`` of ``buf`` into ``data`` and returns the position after.
    """

    def __init__(self, wrote: object, wanted: object, *, keeps: bool = True, of_ascii: bool = False) -> None:
        """If not ``keeps``, values are checked and dropped; with ``of_ascii``, strings are not even checked."""
        self._keeps = keeps
        self._of_ascii = of_ascii
        self.constants: dict[str, object] = {
            "length": _length,
            "count_of": _count,
            "long": _long,
            "small": [_unzigzag(raw) for raw in range(128)],
            "booleans": {0: False, 1: True},
            "double": _double,
            "refuse": _refuse,
        }
        self._wrote, self._wanted = named_types(wrote), named_types(wanted)
        self._functions: dict[tuple[int, int], str] = {}
        self._lines: list[str] = []
        self._variables = 0
        if kind_of_type(wrote) != "record" or kind_of_type(wanted) != "record":
            raise _UnsupportedError
        self.main = self._record(_spelled(wrote, self._wrote), _spelled(wanted, self._wanted))

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def _record(self, wrote: Mapping[str, object], wanted: Mapping[str, object] | None) -> str:
        """The name of the function that reads a record of ``wrote``; with ``wanted`` None, one that skips it."""
        key = id(wrote), id(wanted)
        if known := self._functions.get(key):
            return known
        name = self._functions[key] = f"record{len(self._functions)}"
        fields = fields_of(wrote)
        known_fields = {} if wanted is None else {str(field["name"]): field for field in fields_of(wanted)}
        names = {str(field["name"]) for field in fields}
        if not fields or any("default" not in field for new, field in known_fields.items() if new not in names):
            raise _UnsupportedError  # without fields, a list of records takes no bytes; without default, no value
        lines = [f"def {name}(buf, pos, data):"]
        for field in fields:
            wanted_field = known_fields.get(str(field["name"]))
            keep = None if wanted_field is None else self._keep(f"data[{field['name']!r}] = ")
            inner = self._value(field["type"], None if wanted_field is None else wanted_field["type"], keep, "pass")
            lines += [f"    {line}" for line in inner]
        for new, field in known_fields.items():
            if "aliases" in field or (new not in names and field["default"] is not None):
                raise _UnsupportedError
        self._lines += [*lines, "    return pos"]
        return name

    def _value(self, wrote: object, wanted: object, keep: _Keep, keep_null: str) -> list[str]:
        """Lines that read a value at ``pos`` and advance it; ``keep_null``: the statement for a null."""
        if isinstance(wrote, list):
            return self._union(wrote, wanted, keep, keep_null)
        schema = _spelled(wrote, self._wrote)
        other = None if keep is None else _spelled(wanted, self._wanted)
        if other is not None and not _is_same(schema, other):
            raise _UnsupportedError
        match schema["type"]:
            case "string":
                return _string(None if self._of_ascii else keep)
            case "long":
                return _long_lines(keep, "value")
            case "double":
                return [*(["buf[pos + 7]"] if keep is None else [keep("double(buf, pos)")]), "pos += 8"]
            case "boolean":
                return ["buf[pos]" if keep is None else keep("booleans[buf[pos]]"), "pos += 1"]
            case "enum":
                return _long_lines(keep, f"{self._symbols(schema)}[value]")
            case "record":
                function = self._record(schema, other)
                if keep is None or not self._keeps:
                    return [f"pos = {function}(buf, pos, None)"]
                inner = self._variable()
                return [f"{inner} = {{}}", f"pos = {function}(buf, pos, {inner})", keep(inner)]
            case "array":
                items = self._variable()
                into = None if keep is None else self._keep(f"{items}.append(", ")")
                null = f"{items}.append(None)" if self._keeps else "pass"
                each = self._value(schema["items"], other and other["items"], into, null)
                start = [] if keep is None or not self._keeps else [f"{items} = []", keep(items)]
                return [*start, *self._blocks(each)]
            case "map":
                values, key = self._variable(), self._variable()
                into = None if keep is None else self._keep(f"{values}[{key}] = ")
                name_it = _string(None if keep is None or self._of_ascii else self._keep(f"{key} = "))
                null = f"{values}[{key}] = None" if self._keeps else "pass"
                each = self._value(schema["values"], other and other["values"], into, null)
                start = [] if keep is None or not self._keeps else [f"{values} = {{}}", keep(values)]
                return [*start, *self._blocks([*name_it, *each])]
            case _:
                raise _UnsupportedError

    def _union(self, wrote: list[object], wanted: object, keep: _Keep, keep_null: str) -> list[str]:
        wanteds = wanted if keep is not None else [None] * len(wrote)
        if not isinstance(wanteds, list) or len(wanteds) != len(wrote) or len(wrote) > 64:  # noqa: PLR2004 - of a byte
            raise _UnsupportedError
        branch = self._variable()
        lines = [f"{branch} = buf[pos]", "pos += 1"]
        word = "if"
        indices = sorted(range(len(wrote)), key=lambda index: wrote[index] == "null")  # usually there is a value
        for index in indices:
            if wrote[index] == "null":
                inner = [keep_null if keep is not None else "pass"]
                if keep is not None and wanteds[index] != "null":
                    raise _UnsupportedError
            else:
                inner = self._value(wrote[index], wanteds[index], keep, keep_null)
            lines += [f"{word} {branch} == {index * 2}:", *(f"    {line}" for line in inner)]
            word = "elif"
        return [*lines, "else: refuse()"]

    def _blocks(self, each: list[str]) -> list[str]:
        """Lines that read an array or a map: blocks of a count and that many items, until a count of zero."""
        count = self._variable()
        return [
            "while True:",
            f"    {count} = buf[pos]",
            f"    if {count} & 129: {count}, pos = count_of(buf, pos)",
            f"    else: {count} >>= 1; pos += 1",
            f"    if not {count}: break",
            f"    for _ in range({count}):",
            *(f"        {line}" for line in each),
        ]

    def _symbols(self, schema: Mapping[str, object]) -> str:
        symbols = schema["symbols"]
        assert isinstance(symbols, list)
        name = f"symbols{len(self.constants)}"
        self.constants[name] = dict(enumerate(symbols))
        return name

    def _keep(self, before: str, after: str = "") -> _Keep:
        return (lambda expression: f"{before}{expression}{after}") if self._keeps else _look_at

    def _variable(self) -> str:
        self._variables += 1
        return f"value{self._variables}"


def _spelled(schema: object, named: _Named) -> Mapping[str, object]:
    found = named.get(schema, {"type": schema}) if isinstance(schema, str) else schema
    if not isinstance(found, Mapping) or "logicalType" in found or "aliases" in found:
        raise _UnsupportedError
    return found


def _is_same(wrote: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    """Whether both are of the same kind; the contents of records, arrays and maps are compared separately."""
    return all(wrote.get(what) == wanted.get(what) for what in ("type", "name", "symbols"))


def _look_at(expression: str) -> str:
    return expression


def _string(keep: _Keep) -> list[str]:
    # 129: the bit that means that more bytes follow, and the bit that means that the number is negative
    lines = ["size = buf[pos]", "if size & 129: size, pos = length(buf, pos)", "else: size >>= 1; pos += 1"]
    if keep is None:
        return [*lines, "pos += size"]
    return [*lines, "end = pos + size", keep("buf[pos:end].decode()"), "pos = end"]


def _long_lines(keep: _Keep, expression: str) -> list[str]:
    lines = ["value = buf[pos]", "if value > 127: value, pos = long(buf, pos)", "else: value = small[value]; pos += 1"]
    return lines if keep is None else [*lines, keep(expression)]


def _long(buf: bytes, pos: int) -> tuple[int, int]:
    """The number at ``pos``, and the position after it."""
    if buf[pos] > 0x7F and buf[pos + 1] <= 0x7F:  # noqa: PLR2004 - two bytes, as most of those here have
        return _unzigzag(buf[pos] & 0x7F | buf[pos + 1] << 7), pos + 2
    raw = shift = 0
    for byte in buf[pos : pos + _LONGEST]:
        raw |= (byte & 0x7F) << shift
        shift += 7
        pos += 1
        if byte <= 0x7F:  # noqa: PLR2004 - nothing follows
            if raw >> 64:
                break
            return _unzigzag(raw), pos
    else:
        if shift < 7 * _LONGEST:
            raise IndexError
    raise UnreadableError("it contains a number of more than 64 bits")


def _length(buf: bytes, pos: int) -> tuple[int, int]:
    length, pos = _long(buf, pos)
    if length < 0:
        raise UnreadableError("it contains a negative length")
    return length, pos


def _count(buf: bytes, pos: int) -> tuple[int, int]:
    """How many items a block has. A negative count is followed by their size in bytes, which is not needed here."""
    count, pos = _long(buf, pos)
    if count < 0:
        _, pos = _length(buf, pos)
    return abs(count), pos


def _unzigzag(raw: int) -> int:
    return (raw >> 1) ^ -(raw & 1)


def _double(buf: bytes, pos: int) -> float:
    value: float = _unpack_double(buf, pos)[0]
    if not isfinite(value):
        raise UnreadableError(NOT_FINITE)
    return value


def _refuse() -> None:
    raise UnreadableError("it contains a branch index that its union does not have")
