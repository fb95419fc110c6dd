"""A seat that one of several has, on the real broker."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.seat import GroupSeat
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka


class Candidate:
    def __init__(self, settings: Settings) -> None:
        self.told: list[str] = []
        topics = Topics(settings)
        self.seat = GroupSeat(
            settings,
            group=topics.group("api"),
            topic=topics.control,
            on_taken=lambda: self.told.append("taken"),
            on_lost=lambda: self.told.append("lost"),
            on_crash=lambda error: self.told.append(f"crashed: {error}"),
        )

    async def until(self, *told: str) -> None:
        await eventually(lambda: self.told == list(told), what=lambda: str(self.told))


@pytest.fixture
async def stack(settings: Settings) -> AsyncIterator[AsyncExitStack]:
    await KafkaAdmin(settings).ensure(Topics(settings).base_specs())
    async with AsyncExitStack() as stack:
        yield stack


async def test_one_has_the_seat_and_who_joins_takes_it_from_nobody(settings: Settings, stack: AsyncExitStack) -> None:
    first, second = Candidate(settings), Candidate(settings)
    await stack.enter_async_context(first.seat)
    await first.until("taken")

    await stack.enter_async_context(second.seat)
    third = Candidate(settings)
    await stack.enter_async_context(third.seat)
    await first.seat.leave()

    await eventually(lambda: second.told + third.told == ["taken"], what=lambda: str((second.told, third.told)))
    assert first.told == ["taken", "lost"]


async def test_who_stands_again_has_the_seat_anew_or_another_has(settings: Settings, stack: AsyncExitStack) -> None:
    first = Candidate(settings)
    await stack.enter_async_context(first.seat)
    await first.until("taken")

    first.seat.stand_again()

    await first.until("taken", "lost", "taken")


async def test_a_name_that_is_kept_over_restarts_does_not_keep_the_seat(
    settings: Settings, stack: AsyncExitStack
) -> None:
    named = settings.model_copy(update={"instance": "api-0"})
    first = Candidate(named)
    await first.seat.__aenter__()
    await first.until("taken")
    second = Candidate(named)
    await stack.enter_async_context(second.seat)

    await first.seat.leave()

    await second.until("taken")
