"""Interleaves many stories, in order of their events' times. Pure: the same for the same seed.

Simulated time belongs to the stories: it advances from event to event, however fast these are consumed. So neither the
rate nor a slow broker changes what happens, and what takes half an hour in reality takes only until it is its turn.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final

from eventstreams.events import Event
from eventstreams.times import to_ms
from producers.simulator.company import Company
from producers.simulator.products import default_products
from producers.simulator.scene import Scene
from producers.simulator.story import Plot, SimulatedProduct, Story

_BEGIN_EVERY_S: Final = 0.2  # on average: five stories per second, as long as there is room for another


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What to simulate. Its fields alone decide every byte of the events.

    Attributes:
        seed: Decides what happens, and every new identifier.
        accounts: The accounts with events. The second has half as many stories as the first, the third a third …
        start: When the first story begins; aware. It only shifts the times: everything else stays the same.
        products: The products with stories.
        concurrency: The most concurrent stories; bounds memory. A new one begins some 200 ms after the one before or,
            if there are that many, when one has ended. So with fewer stories simulated time runs faster, and even in a
            short simulation calls end and get their summaries.
    """

    seed: int
    accounts: Sequence[str]
    start: datetime
    products: Sequence[SimulatedProduct] = field(default_factory=default_products)
    concurrency: int = 200


def simulate(scenario: Scenario) -> Iterator[Event]:
    """Yield the events of ``scenario``, in order of their times, without end."""
    opening = _Opening(scenario)
    waiting: list[tuple[datetime, int, Event, Story]] = []  # a heap by next time; the number breaks ties
    begins, number = scenario.start, 0
    while True:
        while len(waiting) < scenario.concurrency and not (waiting and waiting[0][0] < begins):
            story = opening.story(begins)
            if (first := next(story, None)) is not None:
                heapq.heappush(waiting, (first.time, number, first, story))
            begins += timedelta(seconds=opening.rng.expovariate(1 / _BEGIN_EVERY_S))
            number += 1
        at, which, event, story = waiting[0]
        if (following := next(story, None)) is None:
            heapq.heappop(waiting)
            begins = max(begins, at)
        else:
            heapq.heapreplace(waiting, (following.time, which, following, story))
        yield event


class _Opening:
    """Decides which story begins next, and for which account."""

    def __init__(self, scenario: Scenario) -> None:
        self.rng = Random(scenario.seed)  # noqa: S311 - for the same stream from the same seed, not for secrecy
        self._companies = [Company.found(account) for account in scenario.accounts]
        self._company_weights = list(accumulate(1 / rank for rank in range(1, len(self._companies) + 1)))
        self._plots: list[Plot] = []
        shares: list[float] = []
        for product in scenario.products:
            in_all = sum(product.plots.values())
            for plot, weight in product.plots.items():
                self._plots.append(plot)
                shares.append(product.weight * weight / in_all)
        self._plot_weights = list(accumulate(shares))

    def story(self, at: datetime) -> Story:
        rng = self.rng
        [company] = rng.choices(self._companies, cum_weights=self._company_weights)
        [plot] = rng.choices(self._plots, cum_weights=self._plot_weights)
        own = Random(rng.getrandbits(64))  # noqa: S311 - as above; its own, so that a story does not influence others
        return plot(Scene(company, own, to_ms(at)))
