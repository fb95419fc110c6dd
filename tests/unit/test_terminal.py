"""What others wrote shows harmlessly in a terminal."""

import json
import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.cli.terminal import harmless, harmless_json, harmless_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain text", "plain text", id="plain"),
        pytest.param("Grüße, 世界 😀", "Grüße, 世界 😀", id="languages"),
        pytest.param("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07", id="ansi"),
        pytest.param("\x9b2J", r"\x9b2J", id="c1"),
        pytest.param("a\nb\rc\td\x00", r"a\nb\rc\td\x00", id="controls"),
        pytest.param("abc\u202efdp.exe", r"abc\u202efdp.exe", id="bidi"),
        pytest.param("a\u200bb\u2028c\ufeff", r"a\u200bb\u2028c\ufeff", id="invisible"),
        pytest.param("\ud800", r"\ud800", id="surrogate"),
        pytest.param("e\u0301", "e\u0301", id="accent"),
        pytest.param("e" + "\u0301" * 5, "e" + "\u0301" * 4 + r"\u0301", id="stacked"),
        pytest.param("[bold]markup[/bold]", "[bold]markup[/bold]", id="markup"),
    ],
)
def test_a_text_shows_what_is_in_it_and_does_nothing(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text(alphabet=st.characters()), st.integers(1, 50))
def test_whatever_the_text_nothing_but_printable_characters_come_out(text: str, longest: int) -> None:
    shown = harmless(text, longest=longest)

    assert shown.isprintable()
    assert not any(unicodedata.category(each).startswith("C") for each in shown)
    if text.isprintable() and len(text) <= longest:
        assert len(shown) >= len(text)


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert harmless("x" * 100, longest=10) == "x" * 9 + "…"


def test_our_own_texts_keep_their_lines() -> None:
    assert harmless_lines("one\ntwo\x1b[2J") == "one\ntwo\\x1b[2J"


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), st.booleans())
def test_json_for_scripts_means_the_same_and_does_nothing_to_a_terminal(value: object, indent: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    shown = harmless_json(value, indent=indent)

    assert json.loads(shown) == orjson.loads(orjson.dumps(value))
    assert shown.replace("\n", "").isprintable()
