"""Compiles an Avro schema into a function that validates and encodes a value in one pass.

Writes the same bytes as fastavro's writer, for exactly the values in which ``problems.find_problem`` finds nothing; a
test compares the three. fastavro needs one pass to validate and one to write, and in both tries every branch of every
union; here the schema is examined once and turned into Python source, which has nothing left to interpret. Measured
per event of the simulator (``python -m benchmarks``): fastavro's validator and writer 62 µs, its writer alone (which
accepts invalid values) 45, closures composed for each type 11, source 8.
"""

import struct
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final, NoReturn

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types

Writer = Callable[[Mapping[str, object]], bytes]
"""Encodes a record as Avro binary; raises ``ValueError``, ``TypeError`` or ``KeyError`` for one that does not fit."""

_MISFIT: Final = "does not fit the schema"
_LENGTHS: Final = 1024  # lengths encoded by a lookup table; longer strings are rare, and are encoded each time
_INT64: Final = range(-(2**63), 2**63)  # only for plain int: for a subclass, `in` would iterate over it
_ONE_BYTE: Final = [*(bytes([value * 2]) for value in range(64)), *(bytes([-value * 2 - 1]) for value in range(-64, 0))]
_DOUBLE: Final = struct.Struct("<d").pack
_TYPES: Final[Mapping[str, type]] = {each.__name__: each for each in (bool, int, float, str, list, dict)}
_PYTHON_TYPES: Final = {
    "boolean": ("bool",),
    "long": ("int",),
    "double": ("float", "int"),
    "string": ("str",),
    "enum": ("str",),
    "array": ("list",),
    "map": ("dict",),
    "record": ("dict",),
}


def compile_writer(schema: object) -> Writer | None:
    """The writer of ``schema`` (parsed Avro, a record); None if it has something that only fastavro supports.

    That is a type that the catalogue's rules forbid, arrays nested deeper than Python allows, or a union whose branches
    cannot be told apart by the Python type of a value, such as two records.
    """
    try:
        source = _Source(schema)
        code = compile(source.text, "<writer of an Avro schema>", "exec")
    except (
        _UnsupportedError,
        SyntaxError,
    ):  # the latter: Python nests at most 20 loops (3.13: 21), and so no more arrays than that
        return None
    scope = source.constants
    exec(code, scope)  # noqa: S102 - names go in by repr()
    record = scope[source.main]
    assert callable(record)

    def write(data: Mapping[str, object]) -> bytes:
        out = bytearray()
        record(data, out)
        return bytes(out)

    return write


class _UnsupportedError(Exception):
    """The schema has something that this module does not support."""


class _Source:
    """Python source of a writer: a function for each record, and the lookup tables that they use."""

    def __init__(self, schema: object) -> None:
        self.constants: dict[str, object] = {
            "lengths": [varint(length) for length in range(_LENGTHS)],
            "varint": varint,
            "double": _double,
            "plain": _plain,
            "misfit": _misfit,
        }
        self._named = named_types(schema)
        self._functions: dict[int, str] = {}
        self._lines: list[str] = []
        self._variables = 0
        if kind_of_type(schema) != "record":
            raise _UnsupportedError
        self.main = self._record(self._resolved(schema))

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def _resolved(self, schema: object) -> Mapping[str, object]:
        found = self._named.get(schema, {"type": schema}) if isinstance(schema, str) else schema
        if not isinstance(found, Mapping) or found["type"] not in _PYTHON_TYPES or "logicalType" in found:
            raise _UnsupportedError
        return found

    def _record(self, schema: Mapping[str, object]) -> str:
        """The name of the function that writes a record of ``schema``."""
        known = self._functions.get(id(schema))
        if known is not None:
            return known
        name = self._functions[id(schema)] = f"record{len(self._functions)}"
        fields = fields_of(schema)
        self.constants[f"{name}_fields"] = frozenset(field["name"] for field in fields)
        lines = [
            f"def {name}(data, out):",
            "    if type(data) is not dict: data = plain(data, dict)",
            f"    if not {name}_fields.issuperset(data): misfit()",
            "    get = data.get",
        ]
        for field in fields:
            lines += [f"    {line}" for line in self._field(field)]
        self._lines += lines
        return name

    def _field(self, field: Mapping[str, object]) -> list[str]:
        if "default" not in field:
            return [f"value = data[{field['name']!r}]", *self._value(field["type"], "value")]
        union = field["type"]
        if not isinstance(union, list) or union[0] != "null" or field["default"] is not None:
            raise _UnsupportedError
        return [f"value = get({field['name']!r})", *self._value(union, "value")]

    def _value(self, schema: object, name: str) -> list[str]:
        """Lines that check and write the variable ``name``, which they may reassign."""
        if isinstance(schema, list):
            return self._union(schema, name)
        resolved = self._resolved(schema)
        kind = str(resolved["type"])
        if kind == "double":
            return [f"out += double({name})"]
        (python_type,) = _PYTHON_TYPES[kind]
        if kind == "record":  # its function checks the type
            return [f"{self._record(resolved)}({name}, out)"]
        check = f"if type({name}) is not {python_type}: {name} = plain({name}, {python_type})"
        return [check, *self._checked(resolved, name, b"")]

    def _checked(self, schema: Mapping[str, object], name: str, before: bytes) -> list[str]:
        """Lines that write ``before`` and the variable ``name``, which already has the right Python type."""
        kind = schema["type"]
        if kind == "enum":
            return [f"out += {self._symbols(schema, before)}[{name}]"]
        lines = [f"out += {before!r}"] if before else []
        if kind == "boolean":
            return [f"out += {before + bytes([1])!r} if {name} else {before + bytes([0])!r}"]
        if kind == "long":
            return [*lines, f"out += varint({name})"]
        if kind == "double":
            return [*lines, f"out += double({name})"]
        if kind == "record":
            return [*lines, f"{self._record(schema)}({name}, out)"]
        if kind == "string":
            length = self._variable()
            return [
                *lines,
                f"{name} = {name}.encode()",
                f"{length} = len({name})",
                f"out += lengths[{length}] if {length} < {_LENGTHS} else varint({length})",
                f"out += {name}",
            ]
        if kind == "array":
            item = self._variable()
            return [*lines, *_block(name, f"for {item} in {name}:", self._value(schema["items"], item))]
        key, item = self._variable(), self._variable()
        key_lines = self._value("string", key)
        inner = [*key_lines, *self._value(schema["values"], item)]
        return [*lines, *_block(name, f"for {key}, {item} in {name}.items():", inner)]

    def _union(self, branches: list[object], name: str) -> list[str]:
        lines: list[str] = []
        by_type: dict[str, list[str]] = {}
        for index, branch in enumerate(branches):
            before = varint(index)
            if branch == "null":
                lines = [f"if {name} is None: out += {before!r}"]
                continue
            schema = self._resolved(branch)
            for python_type in _PYTHON_TYPES[str(schema["type"])]:
                if python_type in by_type and python_type != "int":
                    raise _UnsupportedError
                by_type.setdefault(python_type, self._checked(schema, name, before))
        if "null" not in branches:
            lines = ["if 0: pass"]
        kind = self._variable()
        otherwise: list[str] = []
        for python_type, inner in by_type.items():
            word = "if" if not otherwise else "elif"
            otherwise += [f"{word} {kind} is {python_type}:", *(f"    {line}" for line in inner)]
        types = ", ".join(by_type)
        lines += [
            "else:",
            f"    {kind} = type({name})",
            f"    if {kind} not in {self._constant(frozenset(map(_TYPES.__getitem__, by_type)))}:",
            f"        {name} = plain({name}, {types})",
            f"        {kind} = type({name})",
            *(f"    {line}" for line in otherwise),
        ]
        return lines

    def _symbols(self, schema: Mapping[str, object], before: bytes) -> str:
        symbols = schema["symbols"]
        assert isinstance(symbols, list)
        return self._constant({symbol: before + varint(index) for index, symbol in enumerate(symbols)})

    def _constant(self, value: object) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = value
        return name

    def _variable(self) -> str:
        self._variables += 1
        return f"value{self._variables}"


def _block(name: str, loop: str, inner: list[str]) -> list[str]:
    """Lines that write an array or a map: a count and that many items, unless there are none; then a zero."""
    return [
        f"if {name}:",
        f"    out += varint(len({name}))",
        f"    {loop}",
        *(f"        {line}" for line in inner),
        "out += b'\\0'",
    ]


def varint(value: int) -> bytes:
    """``value`` as Avro's long: zig-zag, seven bits a byte, the lowest first."""
    if -64 <= value < 64:  # noqa: PLR2004 - what one byte holds
        return _ONE_BYTE[value]
    if value not in _INT64:
        _misfit()
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:  # noqa: PLR2004 - seven bits
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _double(value: object) -> bytes:
    if type(value) is not float:
        plain = _plain(value, float, int)
        if isinstance(plain, int) and plain not in _INT64:
            _misfit()
        return _DOUBLE(plain)
    if not isfinite(value):
        _misfit()
    return _DOUBLE(value)


def _plain(value: object, *types: type) -> object:
    """Convert ``value``, of a subclass or equivalent of one of ``types``, to that type; a ``StrEnum`` becomes a str."""
    for type_ in types:
        if type_ is str and isinstance(value, str):
            return str.__str__(value)
        if type_ is int and isinstance(value, int) and not isinstance(value, bool):
            return int.__index__(value)
        if type_ is float and isinstance(value, float):
            return float.__float__(value)
        if type_ is list and isinstance(value, tuple | list):
            return list(value)
        if type_ is dict and isinstance(value, Mapping):
            return dict(value)
    raise ValueError(_MISFIT)


def _misfit() -> NoReturn:
    raise ValueError(_MISFIT)
