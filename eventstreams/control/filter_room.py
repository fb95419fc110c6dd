"""How much of the routers' cache of compiled filters one filter takes, and how much there is. Pure.

The API refuses filters beyond this bound, so that a router never has to recompile one: that takes up to 4 ms, and one
customer whose filters did not fit would hold up everybody else's events.
"""

from typing import Final

_BESIDE: Final = 50  # fixed overhead of a compiled filter, in characters
_A_PARTITION: Final = 200  # a filter of 150 characters for every subscription


def room_of(text: str | None) -> int:
    """Room that the filter ``text`` takes, in characters of some 160 bytes of memory each; 0 without a filter."""
    return len(text) + _BESIDE if text else 0


def room_for(partitions: int) -> int:
    """The total room if up to ``partitions`` are allowed: 5,000 partitions give a million characters, or 160 MB."""
    return partitions * _A_PARTITION
