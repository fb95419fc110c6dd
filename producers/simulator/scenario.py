"""Tells many stories at a time, in order of their events' times. Pure: the same for the same seed.

Simulated time is the stories' own: it goes from event to event, however fast they are taken. So neither a rate nor
a slow broker changes what happens, and what takes half an hour in life takes as long as its turn does.
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

_BEGIN_EVERY_S: Final = 0.2  # on average: five stories a second, as long as there is room for another


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What to simulate. Its fields alone decide every byte of the events.

    Attributes:
        seed: Decides what happens, and every identifier that is new.
        accounts: Whose events they are. The second has half as many stories as the first, the third a third …
        start: When the first story begins; aware. It only shifts the times: all else stays the same.
        products: Which of them have stories.
        concurrency: Stories under way at a time; bounds memory. A new one begins some 200 ms after the one before,
            and once there are so many, when one has ended. So with fewer stories simulated time goes faster, and
            calls end and their summaries come in a short simulation as well.
    """

    seed: int
    accounts: Sequence[str]
    start: datetime
    products: Sequence[SimulatedProduct] = field(default_factory=default_products)
    concurrency: int = 200


def simulate(scenario: Scenario) -> Iterator[Event]:
    """The events of ``scenario``, without end, in order of their time."""
    opening = _Opening(scenario)
    waiting: list[tuple[datetime, int, Event, Story]] = []  # a heap by when the story goes on; the number breaks ties
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
    """Decides which story begins next, and whose."""

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
        own = Random(rng.getrandbits(64))  # noqa: S311 - as above; of its own, so that a story does not change others
        return plot(Scene(company, own, to_ms(at)))
