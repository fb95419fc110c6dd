"""How Kafka writes the records of a batch, as far as the router writes them itself. Pure.

The copies of one event differ in a few headers alone, so all else is taken over as the bytes that were fetched: written
by a library, each of its headers is encoded once more for each copy. What is written is read by aiokafka and by Kafka's
own clients; the format is that of https://kafka.apache.org/documentation/#recordbatch.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_KNOWN: Final = 1 << 14  # of lengths and numbers, which are mostly below
_NAMES: Final = 256  # of headers that are kept encoded


def _encode(number: int) -> bytes:
    left, encoded = number << 1 if number >= 0 else (-number << 1) - 1, bytearray()
    while left > 0x7F:  # noqa: PLR2004 - seven bits a byte, the eighth says that there are more
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


_VARINTS: Final = tuple(map(_encode, range(_KNOWN)))
_NONE: Final = _encode(-1)


def varint(number: int) -> bytes:
    """``number``, 0 at least, as Kafka writes it: the nearer to 0, the shorter."""
    return _VARINTS[number] if number < _KNOWN else _encode(number)


def field(value: bytes | None) -> bytes:
    """A key or a value with its length."""
    return _NONE if value is None else varint(len(value)) + value


@lru_cache(_NAMES)
def _name(name: str) -> bytes:
    return field(name.encode())


def header_fields(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """``headers``, without how many they are."""
    return b"".join([_name(name) + field(value) for name, value in headers])
