"""What is kept of a destination's answer for people to read: its start, printable, without what we sent in confidence.

Receivers in trouble like to repeat the request that they got, headers and all. An answer stands in delivery logs and
dead letters, so whatever of our secrets it repeats is masked, in the spellings that servers commonly use. A
destination that means to show its own credentials to its owner can always do so.
"""

import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "********"
_MAX_BYTES: Final = 1024  # the contract's bound of an outcome's answer
# Of an answer that are looked at: with secrets of some KiB that it repeats, or almost does, each KiB can take a
# millisecond, in which no sink of the worker gets anything.
_LOOKED_AT: Final = 4 * _MAX_BYTES
_DECODER: Final = getincrementaldecoder("utf-8")
_SHORTEST: Final = 4  # what is shorter stands in any text, and to mask it would tell where


class Masker:
    """Masks some secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        self._spellings = sorted((each for each in spellings if len(each) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """``text`` with every secret masked, also one that its end cuts off."""
        for spelling in self._spellings:
            text = text.replace(spelling, MASK)
        cut = max((_overlap(text, spelling) for spelling in self._spellings if spelling[:_SHORTEST] in text), default=0)
        return text[: len(text) - cut] + MASK if cut else text


def excerpt(body: bytes, secrets: Sequence[str]) -> str:
    """The start of ``body`` as text of at most 1 KiB, ``secrets`` masked."""
    if not body:  # as of many failures; to spell the secrets takes longer than to judge the answer
        return ""
    # A character that is cut in two is left out: in its place there would be one that no secret goes on with.
    text = Masker(secrets)(_DECODER("replace").decode(body[:_LOOKED_AT], final=len(body) <= _LOOKED_AT))
    shown = "".join(character if character.isprintable() else " " for character in text).strip()
    return shown.encode()[:_MAX_BYTES].decode(errors="ignore")


def _spellings(secret: str) -> Iterable[str]:
    as_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    return (secret, quote(secret, safe=""), quote_plus(secret), escape(secret), *as_json)


def _overlap(text: str, secret: str) -> int:
    """How many characters at the end of ``text`` are the beginning of ``secret``, from ``_SHORTEST`` on."""
    longest = min(len(text), len(secret) - 1)
    return next((size for size in range(longest, _SHORTEST - 1, -1) if text.endswith(secret[:size])), 0)
