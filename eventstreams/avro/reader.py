"""Makes of two versions of an Avro schema a function that reads what the one wrote as the other has it.

The twin of ``writer``, and as there the schemas are looked at once and become Python source. What fastavro's
reader gives, without what has no value, for all that the schema allows; a test compares the two. It refuses more
than fastavro does: numbers beyond 64 bits, NaN and infinity (no JSON has them), lengths and indices below zero, a
truth value of neither 0 nor 1, and the index of a union's branch in more bytes than it needs.

The source checks no length against the end of the bytes. Each value begins with a byte that must be there, so that
whatever follows a text that was cut off fails, and a text that ends the record is found out by the position after it:
bytes cannot make it count or allocate beyond their own size.
"""

import struct
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Final

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types

Reader = Callable[[bytes], dict[str, object]]
"""The fields of a record, those without a value left out; raises ``UnreadableError`` where the bytes are none."""

_Keep = Callable[[str], str] | None
"""The statement that keeps an expression; None where the value is only passed over."""

_Named = Mapping[str, Mapping[str, object]]

_unpack_double: Final = struct.Struct("<d").unpack_from
_LONGEST: Final = 10  # bytes of 64 bits, seven in each


NOT_FINITE: Final = "it contains a number that is NaN or infinite"


class UnreadableError(ValueError):
    """The bytes are not a record of the schema; says why, and nothing of what is in them."""


def compile_reader(wrote: object, wanted: object) -> Reader | None:
    """The reader of what ``wrote`` (parsed Avro, a record) encodes, as ``wanted``, another version, has it.

    None where they differ in more than the catalogue's rules let two versions differ: fields with the default null.
    """
    return _compiled(partial(_Source, wrote, wanted))


def compile_check(schema: object, *, of_ascii: bool) -> Reader | None:
    """A reader of ``schema`` that keeps nothing: it fails where the other one would, and takes less time.

    ``of_ascii``: for bytes that are all ASCII, and so are texts in them, which need no look then. None as above.
    """
    return _compiled(partial(_Source, schema, schema, keeps=False, of_ascii=of_ascii))


def _compiled(make: "Callable[[], _Source]") -> Reader | None:
    try:
        source = make()
        code = compile(source.text, "<reader of an Avro schema>", "exec")
    except (_UnsupportedError, SyntaxError):  # the latter: Python nests 20 loops (3.13: 21), ten lists in each other
        return None
    scope = source.constants
    exec(code, scope)  # noqa: S102 - names go in by repr()
    record = scope[source.main]
    assert callable(record)

    def read(value: bytes) -> dict[str, object]:
        data: dict[str, object] = {}
        try:
            end = record(value, 0, data)
        except (IndexError, OverflowError, struct.error):  # the second: behind a text longer than memory could be
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
    """The schemas have something that this module does not read."""


class _Source:
    """Python source of a reader: a function for each pair of records, and the tables that they use.

    A function ``record0(buf, pos, data)`` reads from ``pos`` of ``buf`` into ``data`` and returns the position after.
    """

    def __init__(self, wrote: object, wanted: object, *, keeps: bool = True, of_ascii: bool = False) -> None:
        """``keeps`` False: all values are looked at, and dropped; with ``of_ascii`` all but texts."""
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
        """The name of the function that reads a record of ``wrote``; ``wanted`` None: that passes over it."""
        key = id(wrote), id(wanted)
        if known := self._functions.get(key):
            return known
        name = self._functions[key] = f"record{len(self._functions)}"
        fields = fields_of(wrote)
        known_fields = {} if wanted is None else {str(field["name"]): field for field in fields_of(wanted)}
        names = {str(field["name"]) for field in fields}
        if not fields or any("default" not in field for new, field in known_fields.items() if new not in names):
            raise _UnsupportedError  # a list of records without fields has no end; a field without default no value
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
        """Lines that read a value at ``pos`` and move it; ``keep_null``: the statement where there is none."""
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
        indices = sorted(range(len(wrote)), key=lambda index: wrote[index] == "null")  # most often there is a value
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
        """Lines that read a list or map: blocks of a count and that many items, until a count of zero."""
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
    """Whether the two are of one kind; what is inside of a record, list or map is looked at by itself."""
    return all(wrote.get(what) == wanted.get(what) for what in ("type", "name", "symbols"))


def _look_at(expression: str) -> str:
    return expression


def _string(keep: _Keep) -> list[str]:
    # 129: a bit that says that the length goes on, and one that says that it is negative
    lines = ["size = buf[pos]", "if size & 129: size, pos = length(buf, pos)", "else: size >>= 1; pos += 1"]
    if keep is None:
        return [*lines, "pos += size"]
    return [*lines, "end = pos + size", keep("buf[pos:end].decode()"), "pos = end"]


def _long_lines(keep: _Keep, expression: str) -> list[str]:
    lines = ["value = buf[pos]", "if value > 127: value, pos = long(buf, pos)", "else: value = small[value]; pos += 1"]
    return lines if keep is None else [*lines, keep(expression)]


def _long(buf: bytes, pos: int) -> tuple[int, int]:
    """The number at ``pos``, and the position after it."""
    if buf[pos] > 0x7F and buf[pos + 1] <= 0x7F:  # noqa: PLR2004 - two bytes, as most that come here have
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
    """How many items a block has. Below zero: so many, and their size in bytes follows, which is of no use here."""
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
