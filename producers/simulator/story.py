"""What a story is: the events of one message, call or task, in the order in which they cause each other."""

from collections.abc import Callable, Generator
from datetime import datetime
from random import Random
from typing import NamedTuple

from eventstreams.events import Event
from producers.simulator.company import Company


class Step(NamedTuple):
    """What has just happened, and how many seconds later the next thing will; None: that was the last one."""

    happened: Event
    next_after_s: float | None


Story = Generator[Step, datetime, None]
"""Yields each step when it happens; is sent the time at which the next one does, which may be later than asked."""

Plot = Callable[[Company, Random, datetime], Story]
"""Begins a story at a time. All that it makes up comes from its ``Random``."""


def new_id(rng: Random, prefix: str) -> str:
    """An identifier of the reference's form, such as ``SM`` and 32 hexadecimal digits."""
    return f"{prefix}{rng.getrandbits(128):032x}"
