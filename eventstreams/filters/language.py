"""The subset of the Common Expression Language (CEL) that filters may use, and the wrapper around the library.

It has comparisons, logic, string tests and conversions. It lacks the macros (``all``, ``map`` …), which can be nested
into unbounded work, arithmetic and regular expressions. So evaluation takes time in proportion to the expression's
length and the values that it names. Only ``contains`` does not, so its work is bounded beforehand. ADR 0010 gives the
reasons for the library.
"""

import re
from collections.abc import Mapping
from typing import Final

import yaml
from cel_expr_python import cel
from google.protobuf.descriptor_pool import DescriptorPool

MAX_LENGTH: Final = 1000  # characters: a page of comparisons, compiled in half a millisecond

_OPERATORS: Final = ("!_", "-_", "_&&_", "_||_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_?_:_", "@in")
_FUNCTIONS: Final = (
    "contains",
    "double",
    "duration",
    "endsWith",
    "int",
    "size",
    "startsWith",
    "string",
    "timestamp",
)
ALLOWED: Final = f"comparisons, &&, ||, !, ?:, in, has, {', '.join(_FUNCTIONS)}"
"""What the subset contains, for error messages."""

# Variables are in a container of this name, since otherwise ``type`` is a CEL built-in and could not be an attribute.
_SPACE: Final = "event"
_CONFIG: Final = yaml.safe_dump(
    {
        "name": "filters",
        "stdlib": {
            "include_macros": ["has"],
            "include_functions": [{"name": name} for name in (*_OPERATORS, *_FUNCTIONS)],
        },
    }
)
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_SEARCH: Final = re.compile(r"\bcontains\b")
# Bytes compared by all searches of one expression in one event. The library starts afresh at each position, so the
# worst case is a quarter of the square of the bytes involved; this many take it 3 ms.
_MOST_COMPARED: Final = 1 << 26
_WIDEST: Final = 4  # bytes of a character in UTF-8

TEXT: Final = cel.Type.STRING
INTEGER: Final = cel.Type.INT
TIME: Final = cel.Type.TIMESTAMP
ANYTHING: Final = cel.Type.DYN


class FilterError(ValueError):
    """The expression is not a valid filter. The text says where, what is wrong and what would be right."""


class Dialect:
    """The language with given variables. Creating one takes half a millisecond, so keep it."""

    def __init__(self, variables: Mapping[str, cel.Type], *, messages: DescriptorPool | None = None) -> None:
        """``messages`` describes those types of ``variables`` that are messages."""
        config = cel.NewEnvConfigFromYaml(_CONFIG)
        named = {in_space(name): type_ for name, type_ in variables.items()}
        # Without a pool the argument must be left out, so that the library uses its own.
        self._env = (
            cel.NewEnv(config=config, container=_SPACE, variables=named)
            if messages is None
            else cel.NewEnv(config=config, container=_SPACE, variables=named, descriptor_pool=messages)
        )

    def compile(self, text: str) -> "Program":
        """Compile and type-check ``text``.

        Raises:
            LibraryRefusal: the library rejects it; the text is the library's.
        """
        try:
            expression = self._env.compile(text)
        except (RuntimeError, ValueError, TypeError) as error:  # what the library raises, and what text can provoke
            raise LibraryRefusal(str(error)) from None
        return Program(expression, text)


class LibraryRefusal(Exception):  # noqa: N818 - never leaves this package
    """An error of the library, in its own words."""


class Program:
    """A compiled expression."""

    def __init__(self, expression: cel.Expression, text: str) -> None:
        self._expression = expression
        self._searches = len(_SEARCH.findall(text))
        self._own_size = _size(text)

    @property
    def is_boolean(self) -> bool:
        return bool(self._expression.return_type() == cel.Type.BOOL)

    @property
    def may_be_boolean(self) -> bool:
        """Whether the result is a boolean, or its type is known only at evaluation."""
        return self.is_boolean or bool(self._expression.return_type() == cel.Type.DYN)

    def run(self, values: Mapping[str, object]) -> "bool | Unresolved | Broken":
        """Evaluate with ``values``, keyed by the variables' ``in_space`` names. Never raises."""
        if self._searches and self._searches * (self._own_size + _size(values)) ** 2 // 4 > _MOST_COMPARED:
            return Broken("its strings are too long to search with contains")
        try:
            result: object = self._expression.eval(data=values).plain_value()
        except Exception as error:  # noqa: BLE001 - foreign code on foreign values must not stop a partition
            return Broken(f"{type(error).__name__}: {error}")
        if isinstance(result, bool):
            return result
        return Unresolved(str(result).partition(": ")[2] or str(result))


class Unresolved(str):
    """A text that says why an expression is neither true nor false for given values."""

    __slots__ = ()


class Broken(str):
    """A text that says why an expression could not be evaluated."""

    __slots__ = ()


def _size(value: object) -> int:
    """An upper bound of the bytes of all strings in ``value``."""
    match value:
        case str():
            return len(value) if value.isascii() else len(value) * _WIDEST
        case Mapping():
            return sum(_size(key) + _size(each) for key, each in value.items())
        case list():
            return sum(_size(each) for each in value)
        case _:
            return 0


def in_space(name: str) -> str:
    """The qualified name of the variable ``name``, under which its value is passed."""
    return f"{_SPACE}.{name}"


def words(text: str) -> frozenset[str]:
    """Every name in ``text``, and also the words in its string literals."""
    return frozenset(_WORD.findall(text))


def refuse_unfit(text: str) -> None:
    """Raise ``FilterError`` if ``text`` is too long, empty or not text, and so should not reach the library."""
    if len(text) > MAX_LENGTH:
        raise FilterError(f"it has {len(text)} characters: at most {MAX_LENGTH} are allowed")
    if not text.strip():
        raise FilterError("it is empty")
    if _NO_TEXT.search(text):
        raise FilterError("it contains characters that are not valid text")


def message_type(name: str) -> cel.Type:
    """The type of the message with the full name ``name``."""
    return cel.Type(name)
