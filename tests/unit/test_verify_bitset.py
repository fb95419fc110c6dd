"""Sets of event numbers as bits: they are sets."""

from hypothesis import given
from hypothesis import strategies as st

from eventstreams.verify.bitset import BitSet

VALUES = st.binary(max_size=300)


@given(VALUES, st.sets(st.integers(0, 255)))
def test_where_finds_the_places_of_the_wanted_bytes(values: bytes, wanted: set[int]) -> None:
    marks = BitSet.where(values, wanted)

    places = [place for place, value in enumerate(values) if value in wanted]
    assert marks.first(len(values)) == places
    assert len(marks) == len(places)
    assert all((place in marks) == (place in places) for place in range(len(values)))


@given(st.integers(0, 40).flatmap(lambda size: st.tuples(*[st.binary(min_size=size, max_size=size)] * 2)))
def test_algebra_is_that_of_sets(pair: tuple[bytes, bytes]) -> None:
    one, other = (BitSet.above(each, 127) for each in pair)
    as_sets = [{place for place, value in enumerate(each) if value > 127} for each in pair]
    size = len(pair[0])

    assert set((one & other).first(size)) == as_sets[0] & as_sets[1]
    assert set((one | other).first(size)) == as_sets[0] | as_sets[1]
    assert set((one - other).first(size)) == as_sets[0] - as_sets[1]
    assert bool(one) == bool(as_sets[0])


def test_the_first_are_the_lowest_and_ranges_are_their_numbers() -> None:
    marks = BitSet.of_ranges(100, [range(90, 95), range(3, 5)])

    assert marks.first(3) == [3, 4, 90]
    assert len(marks) == 7
    assert BitSet.none(100).first(3) == []
