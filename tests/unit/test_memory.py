"""What a process put out of sight is seen again afterwards; what another one had put there before is not."""

import gc
from typing import Final

import pytest

from eventstreams.memory import what_is_there_out_of_sight

MANY: Final = 20_000

pytestmark = pytest.mark.usefixtures("all_in_sight")


def is_looked_at(thing: object) -> bool:
    return any(each is thing for each in gc.get_objects())


def test_what_is_there_is_not_looked_at_meanwhile_and_what_is_made_then_is() -> None:
    there = [object()]

    with what_is_there_out_of_sight():
        made = [object()]
        meanwhile = (is_looked_at(there), is_looked_at(made))

    assert meanwhile == (False, True)
    assert (is_looked_at(there), is_looked_at(made)) == (True, True)


def test_what_somebody_else_has_put_out_of_sight_stays_there_and_nothing_is_added() -> None:
    others = [[number] for number in range(MANY)]
    gc.freeze()
    there = [object()]

    with what_is_there_out_of_sight():
        meanwhile = (is_looked_at(others), is_looked_at(there))

    assert meanwhile == (False, True)
    assert not is_looked_at(others)


def test_of_two_in_one_process_the_first_puts_out_of_sight_and_back() -> None:
    there = [[number] for number in range(MANY)]

    with what_is_there_out_of_sight():
        made = [object()]
        with what_is_there_out_of_sight():
            meanwhile = (is_looked_at(there), is_looked_at(made))
        between = (is_looked_at(there), is_looked_at(made))

    assert meanwhile == between == (False, True)
    assert (is_looked_at(there), is_looked_at(made)) == (True, True)
