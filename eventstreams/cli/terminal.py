"""What of others' text may reach a terminal: events, descriptions and answers are anybody's. Pure.

A terminal obeys some characters (ANSI escapes move the cursor, retitle the window, paste), and others make a text look
like a different one (bidirectional overrides, invisible characters).
"""

import re
import unicodedata
from typing import Final

import orjson

LONGEST: Final = 300
"""Characters of one text in a table; what is longer is cut. Its JSON has all of it."""
_STACKED: Final = 4  # marks on one letter; no language that is written needs more, and more cover the lines around
_MARKS: Final = frozenset({"Mn", "Me"})
_PLAIN: Final = re.compile(r"[ -~]*")
_SMALL: Final = 0xFFFF


def harmless(text: str, *, longest: int | None = None) -> str:
    r"""``text`` on one line, with ``\x1b``, ``\n`` or ``\u202e`` for every character that would do more than be seen.

    Args:
        text: Whatever it is.
        longest: More characters than these are cut off, and an ellipsis says so.
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
    """As ``harmless``, for our own texts of several lines: line breaks stay."""
    return "\n".join(map(harmless, text.split("\n")))


def harmless_json(value: object, *, indent: bool = False) -> str:
    """``value`` as JSON that means the same to a script, and does nothing to a terminal."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    if text.isascii() and "\x7f" not in text:
        return text  # JSON itself escapes what is below the space
    return "".join(each if each.isprintable() or each == "\n" else _json_escaped(each) for each in text)


def examples(*lines: str) -> str:
    """The end of a command's help, as click wants it so that lines stay lines."""
    return "\n".join(["\b", "Examples:", *(f"  {each}" for each in lines)])


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode() if not character.isprintable() else f"\\u{ord(character):04x}"


def _json_escaped(character: str) -> str:
    """Outside of its strings JSON has none of these, so that an escape is right wherever one stands."""
    if ord(character) <= _SMALL:
        return f"\\u{ord(character):04x}"
    pair = character.encode("utf-16-be").hex()
    return f"\\u{pair[:4]}\\u{pair[4:]}"
