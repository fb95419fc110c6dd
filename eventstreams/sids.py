"""SIDs, the reference's identifiers: two letters for the kind, then 32 hexadecimal digits."""

import re
import secrets
from enum import StrEnum
from typing import Final

_HEX32: Final = re.compile(r"[0-9a-fA-F]{32}")


class SidKind(StrEnum):
    """The prefix of each kind of identifier."""

    ACCOUNT = "AC"
    API_KEY = "SK"
    SINK = "DG"
    SUBSCRIPTION = "DF"
    EVENT = "EZ"
    ERROR_LOG = "NO"
    JOB = "JR"
    AUDIT_EVENT = "AE"


_MADE_HERE: Final = frozenset(map(str, SidKind)) - {SidKind.ACCOUNT}


def new_sid(kind: SidKind) -> str:
    """A new identifier, unguessable (128 random bits)."""
    return f"{kind}{secrets.token_hex(16)}"


def is_sid(text: str, kind: SidKind) -> bool:
    """Whether ``text`` has the form of an identifier of ``kind``, which need not exist."""
    return text.startswith(kind) and _HEX32.fullmatch(text, pos=2) is not None


def has_capitals(text: str) -> bool:
    """Whether ``text`` would be an identifier of ours if it were in lower case: ours have lower-case digits.

    Account SIDs are exempt, as operators may choose them.
    """
    kind, digits = text[:2].upper(), text[2:]
    return kind in _MADE_HERE and _HEX32.fullmatch(digits) is not None and text != kind + digits.lower()
