"""Packs the place of an entry or event in its topic into one integer. Pure."""

from typing import Final

_OFFSET_BITS: Final = 41  # 2 trillion records of a partition
_POSITION_BITS: Final = 12
MOST_ENTRIES: Final = 1 << _POSITION_BITS
"""In one record; further ones are left out."""


def place(partition: int, offset: int, position: int = 0) -> int:
    """One integer that sorts like the triple, and fits into SQL's bigint: there are at most 1,000 partitions."""
    return (partition << _OFFSET_BITS | offset) << _POSITION_BITS | position


def unplace(number: int) -> tuple[int, int, int]:
    """The partition, offset and position in ``number``."""
    rest, position = number >> _POSITION_BITS, number & (MOST_ENTRIES - 1)
    return rest >> _OFFSET_BITS, rest & ((1 << _OFFSET_BITS) - 1), position
