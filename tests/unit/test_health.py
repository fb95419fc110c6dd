"""When a process says that it is ready, and when that it is alive; and what waits for a router. On virtual time."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from typing_extensions import override

from eventstreams.errors import TopicError
from eventstreams.kafka.ranges import Range
from eventstreams.process.health import Health
from router.faust_app.backlog import Asked, Backlog
from tests.support.virtual_time import VirtualLoop


class Part:
    """A part of a process that works as the test wants."""

    def __init__(self) -> None:
        self.waiting = 0
        self.done = 0


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.end()


@pytest.fixture
def health(loop: VirtualLoop) -> Health:
    return Health(clock=loop.time)


@pytest.fixture
def part(loop: VirtualLoop, health: Health) -> Part:
    part = Part()
    health.watch_work("routing", waiting=lambda: part.waiting, done=lambda: part.done)
    return part


def pass_time(loop: VirtualLoop, health: Health, seconds: float) -> None:
    """Let ``seconds`` pass in a process that looks after its health."""

    async def live() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + 0.5):
                await health.keep_looking()

    loop.run(live())


def test_a_process_is_not_ready_until_what_it_waits_for_is_there() -> None:
    health = Health()
    health.expect("the control topic")

    assert health.not_ready() == "waiting for the control topic"
    health.met("the control topic")
    assert health.not_ready() is None


def test_a_process_that_has_work_and_does_none_of_it_is_not_ready_but_alive(
    loop: VirtualLoop, health: Health, part: Part
) -> None:
    part.waiting = 7

    pass_time(loop, health, 29)
    assert health.not_ready() is None
    pass_time(loop, health, 5)

    assert health.not_ready() == "routing: no progress for 35 s"
    pass_time(loop, health, 3600)
    assert health.not_alive() is None  # a restart would not help: Kafka may be away


def test_a_process_is_ready_again_with_the_first_work_that_it_does(
    loop: VirtualLoop, health: Health, part: Part
) -> None:
    part.waiting = 7
    pass_time(loop, health, 60)

    part.done += 1
    pass_time(loop, health, 2)

    assert health.not_ready() is None


def test_a_process_is_ready_again_when_its_work_went_to_another(loop: VirtualLoop, health: Health, part: Part) -> None:
    part.waiting = 7
    pass_time(loop, health, 60)

    part.waiting = 0
    pass_time(loop, health, 2)

    assert health.not_ready() is None


def test_a_process_without_work_is_ready_for_ever(loop: VirtualLoop, health: Health, part: Part) -> None:
    pass_time(loop, health, 3600)

    assert health.not_ready() is None


def test_time_without_work_does_not_count(loop: VirtualLoop, health: Health, part: Part) -> None:
    pass_time(loop, health, 3600)

    part.waiting = 1
    pass_time(loop, health, 20)

    assert health.not_ready() is None


def test_a_process_that_always_has_more_to_do_is_ready_while_it_does_some(
    loop: VirtualLoop, health: Health, part: Part
) -> None:
    part.waiting = 1000
    for _ in range(20):
        part.done += 1
        pass_time(loop, health, 20)
        assert health.not_ready() is None


def test_each_part_that_is_stuck_is_named(loop: VirtualLoop, health: Health, part: Part) -> None:
    health.watch_work("writing", waiting=lambda: 1, done=lambda: 0)
    health.watch_work("reading", waiting=lambda: 0, done=lambda: 0)
    part.waiting = 1

    pass_time(loop, health, 40)

    assert health.not_ready() == "routing: no progress for 40 s; writing: no progress for 40 s"


def test_a_process_is_alive_while_its_threads_turn_and_while_they_wait_for_a_silent_broker(
    loop: VirtualLoop, health: Health
) -> None:
    turned = loop.time()
    health.watch_turns("the thread", lambda: turned)

    pass_time(loop, health, 120)
    assert health.not_alive() is None
    pass_time(loop, health, 100)
    assert health.not_alive() == "stuck: the thread"

    turned = loop.time()
    assert health.not_alive() is None


class Brokers(Asked):
    """Partitions that end where the test says; None: no answer."""

    def __init__(self, **ends: int) -> None:
        self.ends: dict[str, int] | None = ends

    @override
    async def ranges(self, topics: Sequence[str], *, committed: bool) -> Sequence[Range]:
        if self.ends is None:
            raise TopicError("no answer")
        [topic] = topics
        return [Range(topic, int(name[1:]), 10, end) for name, end in self.ends.items()]


@pytest.mark.parametrize(
    ("positions", "waiting"),
    [
        ({0: 100, 1: 50}, 0),
        ({0: 97, 1: 50}, 3),
        ({0: 97}, 3),
        ({}, 0),
        ({0: None, 1: 40}, 100),
        ({0: 120}, 0),
    ],
    ids=["all read", "some", "only ours count", "none is ours", "from the first where nothing is known", "read since"],
)
async def test_what_the_brokers_have_and_the_router_has_not_read_waits(
    positions: dict[int, int | None], waiting: int
) -> None:
    async def ours() -> dict[int, int | None]:
        return positions

    backlog = Backlog(Brokers(p0=100, p1=50), topic="events", positions=ours)

    await backlog.look()

    assert backlog.waiting == waiting


async def test_what_was_known_of_a_backlog_stays_while_no_broker_answers() -> None:
    async def ours() -> dict[int, int | None]:
        return {0: 90}

    brokers = Brokers(p0=100)
    backlog = Backlog(brokers, topic="events", positions=ours)
    await backlog.look()

    brokers.ends = None
    await backlog.look()

    assert backlog.waiting == 10


def test_a_problem_is_told_beside_what_a_process_waits_for_and_no_longer_than_it_lasts() -> None:
    health, problems = Health(), ["the group may not be read"]
    health.watch_problem(lambda: problems[0] if problems else None)
    health.expect("the control topic")

    assert health.not_ready() == "waiting for the control topic; the group may not be read"
    health.met("the control topic")
    assert health.not_ready() == "the group may not be read"
    problems.clear()
    assert health.not_ready() is None
