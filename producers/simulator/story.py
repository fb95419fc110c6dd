"""What a story is, and how a product names its stories."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene

Story = Iterator[Event]
"""The events of one message, call or task, in the order in which they cause each other. Ends."""

Plot = Callable[[Scene], Story]
"""Tells a story. A generator: it yields what happens, and moves the scene's clock on between two events."""

_by_time: Final = attrgetter("time")


@dataclass(frozen=True, slots=True)
class SimulatedProduct:
    """A product whose events can be simulated.

    Attributes:
        name: As in the catalogue.
        weight: How many stories it has in relation to other products.
        plots: Its stories, with how often each is told in relation to the others.
        by_default: Whether it takes part where nobody chooses products.
    """

    name: str
    weight: float
    plots: Mapping[Plot, float]
    by_default: bool = True


def together(*stories: Story) -> Story:
    """Several stories at once, as one: each with a scene of its own (``Scene.aside``)."""
    return heapq.merge(*stories, key=_by_time)
