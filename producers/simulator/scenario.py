"""Tells many stories at a time, one event at each tick of a clock of its own. Pure: the same for the same seed."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count
from random import Random
from typing import Final

from eventstreams.events import Event
from producers.simulator.company import Company
from producers.simulator.messaging import message
from producers.simulator.story import Plot, Story
from producers.simulator.taskrouter import task
from producers.simulator.voice import call


class Product(StrEnum):
    """Whose events can be simulated."""

    MESSAGING = "messaging"
    VOICE = "voice"
    TASKROUTER = "taskrouter"


_PLOTS: Final[dict[Product, Plot]] = {Product.MESSAGING: message, Product.VOICE: call, Product.TASKROUTER: task}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What to simulate.

    Attributes:
        seed: Decides everything that is made up, identifiers as well.
        account_sid: Whose events they are.
        start: Time of the first event; aware.
        rate: Events in a second of the simulated time. The next event happens 1/rate seconds later.
        products: A new story is of any of these, with the same chance for each.
        concurrency: Stories under way at a time; bounds memory. Once there are so many, life goes as fast as the
            rate demands: what would happen next happens at the next tick. So calls end and their summaries come
            in a short simulation as well, the sooner the fewer stories there are.
    """

    seed: int
    account_sid: str
    start: datetime
    rate: float = 10.0
    products: Sequence[Product] = tuple(Product)
    concurrency: int = 200


def simulate(scenario: Scenario) -> Iterator[Event]:
    """The events of ``scenario``, without end, in order of their time."""
    rng = Random(scenario.seed)  # noqa: S311 - for the same stream from the same seed, not for secrecy
    company = Company.found(scenario.account_sid, rng)
    waiting: list[tuple[datetime, int, Story]] = []  # a heap by when the story goes on; the number breaks ties
    start = scenario.start.astimezone(UTC)
    for tick in count():
        now = start + timedelta(seconds=tick / scenario.rate)
        if waiting and (waiting[0][0] <= now or len(waiting) >= scenario.concurrency):
            _, number, story = heapq.heappop(waiting)
            step = story.send(now)
        else:
            plot = _PLOTS[rng.choice(scenario.products)]
            number, story = tick, plot(company, Random(rng.getrandbits(64)), now)  # noqa: S311 - as above
            step = next(story)
        if step.next_after_s is not None:
            heapq.heappush(waiting, (now + timedelta(seconds=step.next_after_s), number, story))
        yield step.happened
