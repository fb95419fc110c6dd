"""Filters: what they take, what they refuse, and that none of them can be made to work for long."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.redrive.dead_letter import DeadLetter
from control_api.redrive.expression import MAX_LENGTH, Expression
from eventstreams.kafka.records import Record

HEADERS = [
    ("ce_id", b"EZ1"),
    ("ce_type", b"com.acme.sent"),
    ("es_reason", b"refused"),
    ("es_code", b"91305"),
    ("es_detail", b"HTTP 410: gone"),
    ("es_status", b"410"),
    ("es_attempts", b"3"),
]
LETTER = DeadLetter.read(Record("es.dead.webhook", 0, 5, None, b"", HEADERS, 1000), "webhook")


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
        ("reason == '' || detail > 3", False),
    ],
)
def test_a_filter_takes_what_it_says(text: str, *, taken: bool) -> None:
    assert Expression(text, of_letters=True).takes_letter(LETTER) is taken


def test_a_filter_of_events_knows_their_attributes_only() -> None:
    assert Expression("event_id == 'EZ1'", of_letters=False).takes_event(HEADERS)
    with pytest.raises(ValueError, match="there is no reason, only event_id"):
        Expression("reason == 'refused'", of_letters=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("status ==", "Failed to parse"),
        ("colour == 'red'", "there is no colour, only event_id"),
        ("status", "true or false"),
        ("status == 'x' + 'y'", "_\\+_ is not let in"),
        ("[1, 2].exists(status, status > 1)", "not let in"),
        ("[1, 2].all(code, code > 1)", "not let in"),
        ("[1].exists_one(code, code > 1)", "not let in"),
        ("size([1].map(code, code)) > 1", "not let in"),
        ("size([1].filter(code, true)) > 1", "not let in"),
        ("detail.matches('(a+)+$')", "matches is not let in"),
        ("detail > 3", "No such overload"),
        ("status.x == 1", "x"),
        (f"status == {'1' * MAX_LENGTH}", "more than 1000 characters"),
    ],
)
def test_what_is_no_filter_is_refused_with_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Expression(text, of_letters=True)


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
        Expression(text, of_letters=True).takes_letter(LETTER)
    assert time.process_time() - began < 5


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_value_error(text: str) -> None:
    try:
        taken = Expression(text, of_letters=True).takes_letter(LETTER)
    except ValueError:
        return
    assert taken in (True, False)
