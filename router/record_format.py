"""Kafka's encoding of the records in a batch, as far as the router writes them itself. No I/O.

The copies of one event differ only in a few headers, so everything else is taken over as the bytes that were fetched; a
library would encode every header again for each copy. aiokafka and Kafka's own clients read the result; the format is
described at https://kafka.apache.org/documentation/#recordbatch.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

KNOWN: Final = 1 << 14  # precomputed lengths and numbers; most are below
_NAMES: Final = 256  # header names kept in encoded form


def _encode(number: int) -> bytes:
    left, encoded = number << 1 if number >= 0 else (-number << 1) - 1, bytearray()
    while left > 0x7F:  # noqa: PLR2004 - seven bits a byte, the eighth means that more follow
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


VARINTS: Final = tuple(map(_encode, range(KNOWN)))
"""``varint`` of each number below ``KNOWN``, for loops in which a call costs too much."""
_NONE: Final = _encode(-1)


def varint(number: int) -> bytes:
    """Encode ``number``, at least 0, as Kafka's zigzag varint: the smaller, the shorter."""
    return VARINTS[number] if number < KNOWN else _encode(number)


def field(value: bytes | None) -> bytes:
    """Encode a key or a value with its length in front; None gets the length -1."""
    return _NONE if value is None else varint(len(value)) + value


@lru_cache(_NAMES)
def _name(name: str) -> bytes:
    return field(name.encode())


def header_fields(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """Encode ``headers``, without their count."""
    return b"".join([_name(name) + field(value) for name, value in headers])
