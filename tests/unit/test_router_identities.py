"""No batch is numbered as another one of its partition was: a broker would take it for that one, and keep it not."""

from hypothesis import given
from hypothesis import strategies as st

from router.at_least_once.identities import Identities
from router.at_least_once.record_batch import Identity, Place

PLACES: list[Place] = [("one", 0), ("one", 1), ("two", 0)]


def test_batches_of_a_partition_are_numbered_on() -> None:
    identities = Identities()
    assert identities.next(PLACES[0], 5) is None, "Kafka is asked for an id first"
    identities.grant(7, 0)

    found = [identities.next(place, 5) for place in (PLACES[0], PLACES[1], PLACES[0])]

    assert found == [Identity(7, 0, 0), Identity(7, 0, 0), Identity(7, 0, 5)]


def test_after_the_last_number_comes_the_first() -> None:
    identities = Identities()
    identities.grant(7, 0)
    identities.next(PLACES[0], (1 << 31) - 1)

    found = [identities.next(PLACES[0], 2), identities.next(PLACES[0], 2)]

    assert found == [Identity(7, 0, (1 << 31) - 1), Identity(7, 0, 1)]


def test_who_begins_anew_has_an_id_that_the_partition_never_had_and_others_go_on() -> None:
    identities = Identities()
    identities.grant(7, 0)
    for place in PLACES:
        identities.next(place, 5)

    identities.renew(PLACES[0])
    assert identities.next(PLACES[0], 5) is None
    identities.grant(8, 0)
    identities.renew(PLACES[1])

    found = [identities.next(place, 5) for place in PLACES]
    assert found == [Identity(8, 0, 0), Identity(8, 0, 0), Identity(7, 0, 5)], "the second takes the newest id as well"


@given(
    st.lists(
        st.tuples(st.sampled_from(["next", "renew", "keep"]), st.sampled_from(PLACES), st.integers(1, 3)), max_size=60
    )
)
def test_no_number_is_given_twice_for_a_partition(steps: list[tuple[str, Place, int]]) -> None:
    identities, given_out, last_id = Identities(), set[tuple[Place, int, int]](), 0
    for step, place, records in steps:
        if step == "renew":
            identities.renew(place)
        elif step == "keep":
            identities.keep({place[0]})
        else:
            found = identities.next(place, records)
            if found is None:
                last_id += 1
                identities.grant(last_id, 0)
                found = identities.next(place, records)
            assert found is not None
            numbers = {(place, found.producer_id, found.sequence + each) for each in range(records)}
            assert not numbers & given_out
            given_out |= numbers
