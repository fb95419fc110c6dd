"""What the gateway takes on at a time: a bound for all, and half of it for each of several owners."""

from contextlib import ExitStack

import pytest

from eventstreams.http import RefusedError
from producers.gateway.admission import Admission

ONE, OTHER, THIRD = "AC1", "AC2", "AC3"


def admission() -> Admission:
    return Admission(max_requests=4, max_bytes=1000)


@pytest.mark.parametrize("size", [1, 250], ids=["requests", "bytes"])
def test_an_owner_that_sends_too_much_leaves_half_of_the_room_to_the_others(size: int) -> None:
    taken = admission()
    with ExitStack() as under_way:
        for _ in range(2):
            under_way.enter_context(taken.admit(ONE, size))

        with (
            pytest.raises(RefusedError, match="The account has too many events in progress") as refused,
            taken.admit(ONE, size),
        ):
            pass
        with taken.admit(OTHER, size):
            pass

    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "1"


@pytest.mark.parametrize("size", [1, 250], ids=["requests", "bytes"])
def test_who_is_alone_has_all_of_it_until_there_is_another(size: int) -> None:
    alone = True
    taken = Admission(max_requests=4, max_bytes=1000, is_alone=lambda: alone)
    with ExitStack() as under_way:
        for _ in range(4):
            under_way.enter_context(taken.admit(ONE, size))
        with pytest.raises(RefusedError, match="Too many events are in progress"), taken.admit(ONE, size):
            pass

    alone = False
    with ExitStack() as under_way:
        for _ in range(2):
            under_way.enter_context(taken.admit(ONE, size))
        with pytest.raises(RefusedError, match="The account has too many"), taken.admit(ONE, size):
            pass


def test_together_all_owners_have_no_more_than_there_is() -> None:
    taken = admission()
    with ExitStack() as under_way:
        for owner in (ONE, ONE, OTHER, OTHER):
            under_way.enter_context(taken.admit(owner, 1))

        with pytest.raises(RefusedError, match="Too many events are in progress"), taken.admit(THIRD, 1):
            pass


def test_what_has_ended_makes_room_and_is_forgotten() -> None:
    taken = admission()
    for _ in range(10):
        with taken.admit(ONE, 500):
            pass

    assert not taken.requests
    assert not taken.bytes
