"""Makes text from outside safe for a terminal, as events, descriptions and answers may contain anything. Pure.

Terminals obey some characters (ANSI escapes move the cursor, retitle the window, paste), and others make a text look
like a different one (bidirectional overrides, invisible characters).
"""

import re
import unicodedata
from typing import Final

import orjson

LONGEST: Final = 300
"""The most characters of a text in a table; longer ones are truncated there, but not in JSON."""
_STACKED: Final = 4  # marks on one letter; no written language needs more, and more would cover adjacent lines
_MARKS: Final = frozenset({"Mn", "Me"})
_PLAIN: Final = re.compile(r"[ -~]*")
_SMALL: Final = 0xFFFF


def harmless(text: str, *, longest: int | None = None) -> str:
    r"""``text`` on one line, with escapes like ``\x1b``, ``\n`` or ``\u202e`` for characters that are not just visible.

    Args:
        text: Any text.
        longest: A longer text is truncated to so many characters, including an ellipsis.
    """
    if longest is not None and len(text) > longest:
        text = f"{text[: longest - 1]}…"
    if _PLAIN.fullmatch(text):
        return text
    shown, stacked = [], 0
    for each in text:
        stacked = stacked + 1 if unicodedata.category(each) in _MARKS else 0
        shown.append(each if each.isprintable() and stacked <= _STACKED else _escaped(each))
    return "".join(shown)


def harmless_lines(text: str) -> str:
    """Like ``harmless``, for our own multi-line texts: line breaks stay."""
    return "\n".join(map(harmless, text.split("\n")))


def harmless_json(value: object, *, indent: bool = False) -> str:
    """``value`` as JSON in which characters that could affect a terminal are escaped; its meaning is the same."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    if text.isascii() and "\x7f" not in text:
        return text  # JSON itself escapes control characters below the space
    return "".join(each if each.isprintable() or each == "\n" else _json_escaped(each) for each in text)


def examples(*lines: str) -> str:
    """The epilog of a command's help, marked so that click does not rewrap its lines."""
    return "\n".join(["\b", "Examples:", *(f"  {each}" for each in lines)])


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode() if not character.isprintable() else f"\\u{ord(character):04x}"


def _json_escaped(character: str) -> str:
    """The JSON escape of ``character``. Such characters occur only inside JSON strings, where an escape is valid."""
    if ord(character) <= _SMALL:
        return f"\\u{ord(character):04x}"
    pair = character.encode("utf-16-be").hex()
    return f"\\u{pair[:4]}\\u{pair[4:]}"
