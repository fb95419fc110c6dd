"""Makes a worker's process collect cyclic garbage less often: events, and what is made from them, form no cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from eventstreams.memory import what_is_there_out_of_sight

# By default, Python collects whenever 700 more objects were created than freed, and a batch of 500 events creates ten
# times as many. Failed attempts do leave cycles behind (exceptions and their frames): a few MB of them may accumulate.
_THRESHOLDS: Final = (10_000, 20, 100)


@contextmanager
def looking_seldom() -> Iterator[None]:
    """Collect less often inside the block, and leave out the objects that exist already: modules, the catalogue."""
    before = gc.get_threshold()
    with what_is_there_out_of_sight():
        gc.set_threshold(*_THRESHOLDS)
        try:
            yield
        finally:
            gc.set_threshold(*before)
