"""Where an entry or event stands in its topic, as one integer. Pure."""

from typing import Final

_OFFSET_BITS: Final = 41  # 2 million million records of a partition
_POSITION_BITS: Final = 12
MOST_ENTRIES: Final = 1 << _POSITION_BITS
"""Of one record; the others are left out."""


def place(partition: int, offset: int, position: int = 0) -> int:
    """One integer that sorts as the three do, and fits SQL's: partitions are at most 1,000."""
    return (partition << _OFFSET_BITS | offset) << _POSITION_BITS | position


def unplace(number: int) -> tuple[int, int, int]:
    """Partition, offset and position."""
    rest, position = number >> _POSITION_BITS, number & (MOST_ENTRIES - 1)
    return rest >> _OFFSET_BITS, rest & ((1 << _OFFSET_BITS) - 1), position
