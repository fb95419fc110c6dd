"""How much a router has under way: more runs for many topics, and no more events than are done in time."""

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from eventstreams.settings import Settings
from router.at_least_once.lane import AtLeastOnceLane
from router.copying.avoided_topics import AvoidedTopics
from router.copying.lane import _SHORTEST_S
from router.faust_app.window import Window
from router.planning.plan import Run


def taken(*, topics: int, rate: float, events: int) -> int:
    """How many runs of ``events`` each are taken until the window is full."""
    window, runs = Window(), 0
    while not window.is_full(topics=topics, rate=rate):
        window.take(events)
        runs += 1
    return runs


@pytest.mark.parametrize(
    ("topics", "rate", "events", "runs"),
    [
        pytest.param(250, 80_000, 1_000, 16, id="few topics"),
        pytest.param(250, 10, 1_000, 16, id="few topics and a slow broker"),
        pytest.param(1_000, 28_000, 950, 59, id="many topics: two seconds"),
        pytest.param(1_000, 40_000, 950, 64, id="many topics: as many as ever"),
        pytest.param(1_000, math.inf, 950, 64, id="many topics, and nobody knows how fast it is"),
        pytest.param(1_000, 28_000, 3_000, 19, id="many topics, small events"),
        pytest.param(1_000, 28_000, 10_000, 16, id="many topics, very small events"),
        pytest.param(5_000, 100, 950, 64, id="so many topics that a round takes its time"),
        pytest.param(5_000, 100, 3_000, 20, id="so many topics, small events"),
    ],
)
def test_so_many_runs_are_under_way(topics: int, rate: float, events: int, runs: int) -> None:
    assert taken(topics=topics, rate=rate, events=events) == runs


async def test_a_lane_tells_how_many_events_it_does_in_a_second() -> None:
    settings = Settings.load(kafka="127.0.0.1:1")
    avoided_topics = AvoidedTopics(settings, tell=lambda _: None, wanted=set)
    planner = SimpleNamespace(
        ways_by_bytes=lambda *_: (), learn=lambda *_: (), plan_closely=lambda *_: []
    )  # nobody wants any
    run = Run("es.events", 0, [cast(Any, _Batch())], is_last=True)

    async with AtLeastOnceLane(
        settings, cast(Any, planner), dead_topic="dead", restore=set, avoided_topics=avoided_topics
    ) as lane:
        unknown = lane.rate
        assert (await lane.deliver([run])[0]).unmatched == 100

    assert unknown == math.inf
    assert 0 < lane.rate <= 100 / _SHORTEST_S


class _Batch:
    """A hundred records."""

    def __len__(self) -> int:
        return 100

    def open(self) -> "_Batch":
        return self

    def __iter__(self) -> Iterator[tuple[int, int, int, bytes, bytes]]:
        return ((number, 1_000, 0, b"", b"") for number in range(100))

    def record(self, at: int) -> SimpleNamespace:
        return SimpleNamespace(offset=at)


def test_what_is_given_back_makes_room_in_runs_and_in_events() -> None:
    window = Window()
    for _ in range(20):
        window.take(3_000)
    assert window.is_full(topics=5_000, rate=0.0)

    window.give_back(3_000)

    assert not window.is_full(topics=5_000, rate=0.0)
    assert window.is_full(topics=100, rate=0.0), "fewer topics take the narrow window"
