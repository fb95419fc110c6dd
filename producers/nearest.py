"""Finds the name that a misspelt one was probably meant to be, quickly whatever was written. Pure.

Comparing with every name of the catalogue takes up to 8 ms, which blocks the event loop, and a batch can have many
unknown names. So only the few names with the most letter pairs in common are compared.
"""

import difflib
from collections.abc import Iterable, Sequence
from functools import cached_property
from heapq import nlargest
from itertools import pairwise
from typing import Final

_CUTOFF: Final = 0.8  # of 1; below this, names have too little in common to be a typing error
_COMPARED: Final = 4


class Nearest:
    """Finds the nearest of ``names``."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = names

    def to(self, text: str) -> str | None:
        """The name that ``text`` is probably a misspelling of; None if it is not similar to any."""
        found = difflib.get_close_matches(text, self.alike(text), n=1, cutoff=_CUTOFF)
        return found[0] if found else None

    def alike(self, text: str) -> Sequence[str]:
        """The few names that are worth comparing with ``text``, the likeliest first."""
        if len(text) > 2 * self._longest:  # a text of that length cannot be similar enough
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
