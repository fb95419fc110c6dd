"""A set of event numbers, one bit each: a million of them in 125 kB, and set algebra at the speed of memory. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

_LENGTH: Final = 256


@dataclass(frozen=True, slots=True)
class BitSet:
    """Numbers from 0 up to ``size``. Both sides of an operation have the same size."""

    size: int
    bits: int

    @classmethod
    def where(cls, values: bytes, wanted: Iterable[int]) -> Self:
        """The positions in ``values`` whose byte is one of ``wanted``."""
        table = bytearray(b"0" * _LENGTH)
        for value in wanted:
            table[value] = ord("1")
        # Python reads binary digits in linear time; the first position becomes the lowest bit.
        return cls(len(values), int(values.translate(bytes(table))[::-1], 2) if values else 0)

    @classmethod
    def above(cls, values: bytes, floor: int = 0) -> Self:
        """The positions whose byte is more than ``floor``."""
        return cls.where(values, range(floor + 1, _LENGTH))

    @classmethod
    def none(cls, size: int) -> Self:
        return cls(size, 0)

    @classmethod
    def of_ranges(cls, size: int, ranges: Iterable[range]) -> Self:
        """The numbers in ``ranges``, whose steps must be 1."""
        values = bytearray(size)
        for each in ranges:
            values[each.start : each.stop] = b"\x01" * len(each)
        return cls.above(bytes(values))

    def __and__(self, other: "BitSet") -> "BitSet":
        return BitSet(self.size, self.bits & other.bits)

    def __or__(self, other: "BitSet") -> "BitSet":
        return BitSet(self.size, self.bits | other.bits)

    def __sub__(self, other: "BitSet") -> "BitSet":
        return BitSet(self.size, self.bits & ~other.bits)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __bool__(self) -> bool:
        return self.bits != 0

    def __contains__(self, number: int) -> bool:
        return bool(self.bits >> number & 1)

    def first(self, count: int) -> Sequence[int]:
        """The lowest ``count`` numbers, ascending, or fewer if there are not as many."""
        found: list[int] = []
        left = self.bits
        while left and len(found) < count:
            lowest = left & -left
            found.append(lowest.bit_length() - 1)
            left ^= lowest
        return found
