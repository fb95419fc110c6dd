"""Figures and others' texts as the console shows them, and the events that its live parts are sent as."""

from contextlib import ExitStack

import pytest

from control_api.console import figures, live
from eventstreams.http import RefusedError


@pytest.mark.parametrize(
    ("given", "said"),
    [(0, "0"), (0.04, "0.0"), (0.24, "0.2"), (99.94, "99.9"), (100, "100"), (1234.5, "1,234")],
)
def test_rates_have_a_digit_behind_the_point_where_there_are_few(given: float, said: str) -> None:
    assert figures.rate(given) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"), [(0, 0, ""), (1, 1, "100 %"), (999_999, 1_000_000, "99.9 %"), (1, 3, "33.3 %")]
)
def test_not_all_is_not_called_all(part: float, whole: float, said: str) -> None:
    assert figures.share(part, whole) == said


@pytest.mark.parametrize(
    ("given", "said"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3072.0 GiB")]
)
def test_sizes(given: int, said: str) -> None:
    assert figures.size(given) == said


def test_others_texts_turn_and_hide_nothing() -> None:
    assert figures.shown("a\u202eb\0c\nd") == r"a\u202eb\x00c\nd"
    assert figures.shown("x" * 301) == "x" * 299 + "…"
    assert figures.shown_text("a\n\u200bb") == "a\n\\u200bb"


def test_a_time_is_shown_to_the_millisecond_in_utc_and_what_is_none_as_it_is() -> None:
    assert figures.instant("2026-03-29T06:01:02.345+02:00") == "2026-03-29 04:01:02.345"
    assert figures.instant("soon") == "soon"


@pytest.mark.parametrize(
    ("given", "asked", "shown_again"),
    [
        pytest.param("2026-03-29T04:00", "2026-03-29T04:00:00Z", "2026-03-29T04:00:00", id="of a browser"),
        pytest.param("2026-03-29T06:00:01+02:00", "2026-03-29T04:00:01Z", "2026-03-29T04:00:01", id="with a zone"),
        pytest.param("soon", "soon", "", id="none, of which the API says what is wrong"),
        pytest.param("0001-01-01T00:00+14:00", "0001-01-01T00:00+14:00", "", id="before the year 1"),
        pytest.param("9999-12-31T23:59-14:00", "9999-12-31T23:59-14:00", "", id="after the year 9999"),
    ],
)
def test_a_time_in_a_form_is_utc(given: str, asked: str, shown_again: str) -> None:
    assert figures.utc(given) == asked
    assert figures.field_time(asked) == shown_again


def test_no_text_ends_its_event_or_begins_another() -> None:
    sent = live.event("rows", "a\n\nevent: other\r\rdata: x\u2028y")

    assert sent.count("event: rows") == 1
    assert all(line.startswith(("event: rows", "data: ")) for line in sent.splitlines() if line)
    assert sent.endswith("\n\n")
    assert sent.rstrip("\n").count("\n\n") == 0


async def test_an_account_has_so_many_streams_and_gets_its_place_back() -> None:
    streams = live.Streams()
    places = [streams.place("AC1") for _ in range(10)]
    for each in places:
        each.__enter__()

    with pytest.raises(RefusedError) as caught, streams.place("AC1"):
        pass
    assert caught.value.status == 429
    with streams.place("AC2"):
        pass
    places.pop().__exit__(None, None, None)
    with streams.place("AC1"):
        pass


async def test_an_owner_with_many_subaccounts_leaves_room_for_others() -> None:
    streams = live.Streams(customer_of=lambda sid: sid[:3])
    with ExitStack() as places:
        for number in range(40):
            places.enter_context(streams.place(f"AC1{number // 8}"))

        with pytest.raises(RefusedError) as caught, streams.place("AC1x"):
            pass
        assert caught.value.status == 429
        with streams.place("AC2"):
            pass
    with streams.place("AC1x"):
        pass
