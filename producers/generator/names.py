"""Converts names on the wire, which have three styles, to Python's: fields in snake_case, classes in CapWords. Pure."""

import keyword
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

_WORD_BEGINS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATOR: Final = re.compile(r"[-_.]+")
_FEWEST_WORDS: Final = 2  # words of a type's name that are kept at least: what it is about, and what happened
TAKEN: Final = frozenset(
    # attributes and methods of every event
    {"account_sid", "id", "time", "source", "subject", "partition_key", "event", "as_data"}
    # what the body of a generated class refers to
    | {"bool", "dataclass", "field", "float", "ids", "int", "override", "part", "path", "plain", "str", "timestamp"}
)
"""Names that no field of the data may have in Python."""


def field_names(wire: Iterable[str]) -> dict[str, str]:
    """Maps names on the wire to attributes, in order; ``_`` is appended if a name is a keyword or taken."""
    found: dict[str, str] = {}
    for name in wire:
        python = _identifier(_WORD_BEGINS.sub("_", name).lower().strip("_"))
        while keyword.iskeyword(python) or python in TAKEN or python in found.values():
            python += "_"
        found[name] = python
    return found


def module_name(product: str) -> str:
    """The module name for ``product``, which may be any text."""
    name = _identifier(re.sub(r"[^a-z0-9]+", "_", product.lower()).strip("_"))
    return f"{name}_" if keyword.iskeyword(name) else name


def shared_beginning(types: Sequence[str]) -> str:
    """The common prefix of all ``types``, in whole words with the dot after them; it leaves two words of each."""
    split = [name.split(".") for name in types]
    shared = 0
    for words in zip(*(each[:-_FEWEST_WORDS] for each in split), strict=False):
        if len(set(words)) > 1:
            break
        shared += 1
    return "".join(f"{word}." for word in split[0][:shared])


def class_name(ending: str, product: str) -> str:
    """The class name for a type whose name ends in ``ending``, in the module of ``product``.

    It does not repeat the module's name, nor a word that the next one repeats: ``brand-registration.brand-failure``
    becomes ``BrandFailure``.
    """
    words = ending.split(".")
    if len(words) > 1 and words[0] == product:
        words = words[1:]
    kept = [
        word
        for word, after in zip(words, [*words[1:], ""], strict=True)
        if _SEPARATOR.split(word)[0] != _SEPARATOR.split(after)[0]
    ]
    capitalised = "".join(f"{each[:1].upper()}{each[1:]}" for word in kept for each in _SEPARATOR.split(word))
    return f"Event{capitalised}" if keyword.iskeyword(capitalised) or not capitalised.isidentifier() else capitalised


def nested_name(avro: str) -> str:
    """The name of the class or alias for the record or enum ``avro``, which may have a namespace."""
    words = avro.rsplit(".", 1)[-1].split("_")
    name = _identifier("".join(f"{each[:1].upper()}{each[1:]}" for each in words))
    return f"{name}_" if keyword.iskeyword(name) else name


def free_name(name: str, owner: str, taken: Collection[str]) -> str:
    """``name`` for a record or enum of the schema of ``owner``, or a longer one if it is taken."""
    found = name if name not in taken else f"{owner}{name}"
    while found in taken:
        found += "_"
    return found


def _identifier(name: str) -> str:
    return name if name.isidentifier() else f"field_{name}"
