"""How a worker's process looks for cyclic garbage: seldom. Events, and what is made of them, are in no cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Python looks whenever 700 more objects were made than freed, and a batch of 500 events makes ten times as many. Failed
# attempts do leave cycles behind (exceptions and their frames): some megabytes of those wait to be found.
_THRESHOLDS: Final = (10_000, 20, 100)


@contextmanager
def looking_seldom() -> Iterator[None]:
    """While it lasts Python looks less often, and not at what is there by now: modules, the catalogue."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
