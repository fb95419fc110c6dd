"""Filters: what they take, what they refuse, and that none of them can be made to work for long."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.redrive.dead_letter import DeadLetter
from control_api.redrive.expression import Expression
from eventstreams.filters import MAX_LENGTH
from eventstreams.kafka.records import Record

HEADERS = [
    ("ce_id", b"EZ1"),
    ("ce_type", b"com.acme.sent"),
    ("ce_time", b"2026-03-29T04:01:02.345Z"),
    ("es_reason", b"refused"),
    ("es_code", b"91305"),
    ("es_detail", b"HTTP 410: gone"),
    ("es_status", b"410"),
    ("es_attempts", b"3"),
]
DEAD_LETTER = DeadLetter.read(Record("es.dead.webhook", 0, 5, None, b"", HEADERS, 1000), "webhook")


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("status == 410", True),
        ("status >= 500 || attempts > 2", True),
        ("!(code in [91305, 91306])", False),
        ("detail.contains('gone') && type.startsWith('com.acme.')", True),
        ("detail.endsWith('gone') && size(detail) < 100", True),
        ("subject == ''", True),
        ("reason == 'refused' ? attempts == 3 : false", True),
        ("sink_type == 'kinesis'", False),
        ("code > -1", True),
        ("id == 'EZ1' && accountsid == ''", True),
        ("time > timestamp('2026-01-01T00:00:00Z')", True),
    ],
)
def test_a_filter_takes_what_it_says(text: str, *, taken: bool) -> None:
    assert Expression(text, of_dead_letters=True).takes_dead_letter(DEAD_LETTER) is taken


def test_a_filter_of_events_knows_their_attributes_only() -> None:
    assert Expression("id == 'EZ1'", of_dead_letters=False).takes_event(HEADERS)
    with pytest.raises(ValueError, match="there is no reason, only id"):
        Expression("reason == 'refused'", of_dead_letters=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("status ==", "it ends prematurely"),
        ("", "it is empty"),
        ("colour == 'red'", "there is no colour, only id"),
        ("status", "true or false"),
        ("status == 'x' + 'y'", "\\+ is not supported"),
        ("[1, 2].exists(status, status > 1)", "not supported"),
        ("[1, 2].all(code, code > 1)", "not supported"),
        ("[1].exists_one(code, code > 1)", "not supported"),
        ("size([1].map(code, code)) > 1", "not supported"),
        ("size([1].filter(code, true)) > 1", "not supported"),
        ("detail.matches('(a+)+$')", "matches is not supported"),
        ("detail > 3", "> cannot be applied to string and int"),
        ("status.x == 1", "expression of type 'int'"),
        (f"status == {'1' * MAX_LENGTH}", "at most 1000"),
    ],
)
def test_what_is_no_filter_is_refused_with_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Expression(text, of_dead_letters=True)


@pytest.mark.parametrize(
    "text",
    [
        "!" * (MAX_LENGTH - 4) + "true",
        "(" * 490 + "true" + ")" * 490,
        "true?" * 150 + "true" + ":true" * 20,
        "status" + ".a" * 490,
        "[" * 490 + "]" * 490,
    ],
)
def test_a_deep_filter_is_refused_or_answered_and_ends_nothing(text: str) -> None:
    began = time.process_time()
    with contextlib.suppress(ValueError):
        Expression(text, of_dead_letters=True).takes_dead_letter(DEAD_LETTER)
    assert time.process_time() - began < 5


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_value_error(text: str) -> None:
    try:
        taken = Expression(text, of_dead_letters=True).takes_dead_letter(DEAD_LETTER)
    except ValueError:
        return
    assert taken in (True, False)
