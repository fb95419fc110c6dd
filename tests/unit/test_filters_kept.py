"""How many filters are kept compiled: as many as fit into memory, whatever subscribers write."""

import pytest

from eventstreams import headers as names
from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.filter_room import room_for, room_of
from eventstreams.filters import MAX_LENGTH, CompiledFilters, FilterInput, Verdict


@pytest.fixture
def reading() -> FilterInput:
    codec = Codec(Catalog.load(), schema_base_url="https://schemas.example")
    return FilterInput({names.ID: b"7"}, None, codec)


def long_filter(number: int) -> str:
    return f"id == '{number:0{MAX_LENGTH - 8}}'"


def test_long_filters_that_nobody_asked_lately_are_forgotten(reading: FilterInput) -> None:
    filters = CompiledFilters(most_characters=5 * MAX_LENGTH)

    for number in range(20):
        assert filters.ask(long_filter(number), reading, 1).verdict is Verdict.EXCLUDED

    assert 1 <= len(filters) <= 5


def test_one_that_is_asked_again_and_again_stays(reading: FilterInput) -> None:
    filters = CompiledFilters(most_characters=200)

    for number in range(20):
        assert filters.ask("id == '7'", reading, 1).verdict is Verdict.TAKEN
        assert filters.ask(f"id == 'other {number}'", reading, 1).verdict is Verdict.EXCLUDED

    assert len(filters) == 3


def test_a_filter_that_is_larger_than_all_the_room_is_asked_all_the_same(reading: FilterInput) -> None:
    filters = CompiledFilters(most_characters=1)

    assert filters.ask("id == '7'", reading, 1).verdict is Verdict.TAKEN
    assert len(filters) == 1


def test_all_that_the_api_lets_subscribers_write_stays_compiled(reading: FilterInput) -> None:
    filters = CompiledFilters(most_characters=room_for(50) * 5 // 4)
    texts = [long_filter(number) for number in range(room_for(50) // room_of(long_filter(0)))]

    for text in (*texts, *texts):
        filters.ask(text, reading, 1)

    assert len(filters) == len(texts)
