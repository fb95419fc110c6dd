"""What a misspelt name was probably meant to be, found in little time whatever was written. Pure.

To compare with every name of the catalogue takes up to 8 ms, in which nobody else is served, and a batch can have many
names that are none. So only those few are compared that have most pairs of letters in common.
"""

import difflib
from collections.abc import Iterable, Sequence
from functools import cached_property
from heapq import nlargest
from itertools import pairwise
from typing import Final

_CUTOFF: Final = 0.8  # of 1; below, names have too little in common to be a slip
_COMPARED: Final = 4


class Nearest:
    """Knows the names that there are."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = names

    def to(self, text: str) -> str | None:
        """The name that ``text`` is a slip of; None where it is like none of them."""
        found = difflib.get_close_matches(text, self.alike(text), n=1, cutoff=_CUTOFF)
        return found[0] if found else None

    def alike(self, text: str) -> Sequence[str]:
        """The few that are worth being compared with ``text``, the likeliest first."""
        if len(text) > 2 * self._longest:  # no such text is that much like one of them
            return ()
        wanted = _pairs(text)
        return nlargest(_COMPARED, self._known, key=lambda name: len(wanted & self._known[name]))

    @cached_property
    def _known(self) -> dict[str, frozenset[str]]:
        return {name: _pairs(name) for name in self._names}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._known), default=0)


def _pairs(text: str) -> frozenset[str]:
    return frozenset(map("".join, pairwise(text)))
