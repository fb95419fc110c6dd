"""How much room a filter takes among those that routers keep compiled, and how much there is. Pure.

What subscribers write is bounded by it where they write it, so that a router never has to compile a filter anew: that
takes up to 4 ms, and one customer whose filters did not fit would hold up the events of all others.
"""

from typing import Final

_BESIDE: Final = 50  # characters that a compiled filter is as large as, beside its own
_A_PARTITION: Final = 200  # a filter of 150 characters for every subscription


def room_of(text: str | None) -> int:
    """Of the filter ``text``, in characters, each of which takes some 160 bytes of memory; 0: there is no filter."""
    return len(text) + _BESIDE if text else 0


def room_for(partitions: int) -> int:
    """All there is where there may be so many partitions: 5,000 of them give a million characters, or 160 MiB."""
    return partitions * _A_PARTITION
