"""What a story is, and how a product declares its stories."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene

Story = Iterator[Event]
"""The events of one message, call or task, in causal order. It ends."""

Plot = Callable[[Scene], Story]
"""Makes a story. A generator function: it yields events, and advances the scene's clock between them."""

_by_time: Final = attrgetter("time")


@dataclass(frozen=True, slots=True)
class SimulatedProduct:
    """A product whose events can be simulated.

    Attributes:
        name: The product's id in the catalogue.
        weight: How many stories it has in proportion to other products.
        plots: Its kinds of stories, with their relative frequencies.
        by_default: Whether it is simulated if no products are chosen.
    """

    name: str
    weight: float
    plots: Mapping[Plot, float]
    by_default: bool = True


def together(*stories: Story) -> Story:
    """Merge parallel stories into one, by time; each needs a scene of its own (``Scene.aside``)."""
    return heapq.merge(*stories, key=_by_time)
