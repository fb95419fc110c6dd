"""Topics of new subscriptions, of which several are made at once."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import cast

from control_api.subscriptions.topics import TopicMaker
from eventstreams.errors import TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import Topics, TopicSpec


async def test_what_kafka_refuses_one_is_nobody_elses_matter() -> None:
    asked: list[int] = []

    async def ensure_each(specs: Sequence[TopicSpec]) -> Mapping[str, TopicError]:
        asked.append(len(specs))
        await asyncio.sleep(0)
        return {each.name: TopicError("too many partitions") for each in specs if each.partitions > 8}

    async def one(number: int, partitions: int) -> str:
        spec = Topics(Settings.load()).subscription_spec("webhook", f"DF{number}", partitions=partitions)
        try:
            async with maker.made(spec, account_sid="AC1"):
                return "made"
        except TopicError as error:
            return str(error)

    maker = TopicMaker(cast(KafkaAdmin, SimpleNamespace(ensure_each=ensure_each, delete=ensure_each)))

    found = await asyncio.gather(*(one(number, 16 if number == 2 else 1) for number in range(5)))

    assert found == ["made", "made", "too many partitions", "made", "made"]
    assert asked == [5]
    assert (maker.under_way("AC1"), maker.partitions) == (0, {})
