"""Makes an excerpt of a destination's answer for people to read: its start, printable, with our secrets masked.

Failing receivers often echo the request, headers included. As answers are kept in delivery logs and dead letters, our
secrets in them are masked, in the encodings that servers commonly use. A destination that deliberately reveals its own
credentials to its owner cannot be prevented from doing so.
"""

import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "********"
_MAX_BYTES: Final = 1024  # the contract's bound on an outcome's answer
# Bytes of an answer that are searched: with secrets of several KiB that it repeats, or almost repeats, each KiB can
# take a millisecond, during which the worker delivers nothing.
_LOOKED_AT: Final = 4 * _MAX_BYTES
_DECODER: Final = getincrementaldecoder("utf-8")
_SHORTEST: Final = 4  # shorter secrets occur in any text, and masking them would reveal them


class Masker:
    """Masks the given secrets in texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        self._spellings = sorted((each for each in spellings if len(each) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """``text`` with every secret masked, including one that is cut off by its end."""
        for spelling in self._spellings:
            text = text.replace(spelling, MASK)
        cut = max((_overlap(text, spelling) for spelling in self._spellings if spelling[:_SHORTEST] in text), default=0)
        return text[: len(text) - cut] + MASK if cut else text


def excerpt(body: bytes, secrets: Sequence[str]) -> str:
    """The start of ``body`` as printable text of at most 1 KiB, with ``secrets`` masked."""
    if not body:  # common in failures; encoding the secrets takes longer than judging the answer
        return ""
    # A character that is cut in two is left out: a replacement character would hide that a secret is cut off there.
    text = Masker(secrets)(_DECODER("replace").decode(body[:_LOOKED_AT], final=len(body) <= _LOOKED_AT))
    shown = "".join(character if character.isprintable() else " " for character in text).strip()
    return shown.encode()[:_MAX_BYTES].decode(errors="ignore")


def _spellings(secret: str) -> Iterable[str]:
    as_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    return (secret, quote(secret, safe=""), quote_plus(secret), escape(secret), *as_json)


def _overlap(text: str, secret: str) -> int:
    """How many characters at the end of ``text`` are the start of ``secret``; 0 if fewer than ``_SHORTEST``."""
    longest = min(len(text), len(secret) - 1)
    return next((size for size in range(longest, _SHORTEST - 1, -1) if text.endswith(secret[:size])), 0)
