"""The part of the Common Expression Language (CEL) that filters speak, and how the library is driven.

Comparisons, logic, tests of texts and conversions. Without the macros (``all``, ``map`` …), which can be nested into
work without end, without arithmetic and without regular expressions, an expression takes time in proportion to its
length and to the values that it names. ``contains`` alone does not: its work is bounded before it runs. ADR 0010 has
the reasons for the library.
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
"""What there is, in words."""

# Variables live in a container of this name: ``type`` is CEL's own word otherwise, and could not be an attribute.
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
# Bytes compared by the searches of one expression in one event. The library begins anew at each place of the text, so
# the worst is a quarter of the square of what there is to compare; so many take it 3 ms.
_MOST_COMPARED: Final = 1 << 26
_WIDEST: Final = 4  # bytes of a character in UTF-8

TEXT: Final = cel.Type.STRING
INTEGER: Final = cel.Type.INT
TIME: Final = cel.Type.TIMESTAMP
ANYTHING: Final = cel.Type.DYN


class FilterError(ValueError):
    """An expression that is no filter. Says where, what is wrong and what would be right."""


class Dialect:
    """The language with certain variables. Making one takes half a millisecond; keep it."""

    def __init__(self, variables: Mapping[str, cel.Type], *, messages: DescriptorPool | None = None) -> None:
        """``messages`` describes the types among ``variables`` that are messages."""
        config = cel.NewEnvConfigFromYaml(_CONFIG)
        named = {in_space(name): type_ for name, type_ in variables.items()}
        # Never two keyword sets at once: without a pool the library takes one of its own.
        self._env = (
            cel.NewEnv(config=config, container=_SPACE, variables=named)
            if messages is None
            else cel.NewEnv(config=config, container=_SPACE, variables=named, descriptor_pool=messages)
        )

    def compile(self, text: str) -> "Program":
        """``text``, its types checked.

        Raises:
            LibraryRefusal: the library does not take it; its words.
        """
        try:
            expression = self._env.compile(text)
        except (RuntimeError, ValueError, TypeError) as error:  # what the library raises, and what text can provoke
            raise LibraryRefusal(str(error)) from None
        return Program(expression, text)


class LibraryRefusal(Exception):  # noqa: N818 - never leaves this package
    """The library's own words."""


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
        """Whether it is one, or shows only when it runs."""
        return self.is_boolean or bool(self._expression.return_type() == cel.Type.DYN)

    def run(self, values: Mapping[str, object]) -> "bool | Unresolved | Broken":
        """The result for ``values``, by the ``in_space`` names of the variables. Never raises."""
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
    """Why an expression is neither true nor false for certain values; a text."""

    __slots__ = ()


class Broken(str):
    """Why an expression could not be asked; a text."""

    __slots__ = ()


def _size(value: object) -> int:
    """Most bytes that the texts in ``value`` can have."""
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
    """The full name of the variable ``name``, under which values are given."""
    return f"{_SPACE}.{name}"


def words(text: str) -> frozenset[str]:
    """Every name in ``text``, and more: what stands in its texts too."""
    return frozenset(_WORD.findall(text))


def refuse_unfit(text: str) -> None:
    """Raises ``FilterError`` where ``text`` is nothing that the library should see."""
    if len(text) > MAX_LENGTH:
        raise FilterError(f"it has {len(text)} characters: at most {MAX_LENGTH} are allowed")
    if not text.strip():
        raise FilterError("it is empty")
    if _NO_TEXT.search(text):
        raise FilterError("it contains characters that are not valid text")


def message_type(name: str) -> cel.Type:
    """The type of a message of that full name."""
    return cel.Type(name)
