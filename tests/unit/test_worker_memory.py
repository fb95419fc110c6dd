"""A worker looks seldom for garbage, and leaves the process as it was."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from sink_workers.memory import looking_seldom

pytestmark = pytest.mark.usefixtures("all_in_sight")


class Thing:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def pythons_own_thresholds() -> Iterator[None]:
    """Whatever another test left: of two workers in one process, the second to start and to end leaves the first's."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_what_was_there_before_is_not_looked_at_and_the_rest_less_often() -> None:
    before = gc.get_threshold()
    kept = Thing()

    with looking_seldom():
        assert gc.get_threshold()[0] > before[0]
        assert not any(each is kept for each in gc.get_objects())

    assert gc.get_threshold() == before
    assert any(each is kept for each in gc.get_objects())


def test_what_a_failure_leaves_behind_is_still_found() -> None:
    with looking_seldom():
        found: list[object] = []
        _left = weakref.ref(Thing(), found.append)
        made: list[object] = []
        while not found:  # to ask for it would hold it just as Python 3.12 and newer look, which is after a call
            made.append([made])  # as events come and wait
            assert len(made) < 1_000_000


def test_a_failure_ends_it_as_well() -> None:
    before = gc.get_threshold()

    with pytest.raises(ValueError, match="a reason"), looking_seldom():
        raise ValueError("a reason")

    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
