"""When a consumer says that it is out of its group, with no broker that could let it in."""

import asyncio
from collections.abc import Sequence

from eventstreams.kafka.consumer import GroupConsumer, Offsets
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from tests.support.topic import eventually


class Owner:
    """Has nothing."""

    def on_assigned(self, partitions: Sequence[Partition]) -> None:
        raise AssertionError

    async def on_revoked(self, partitions: Sequence[Partition]) -> Offsets:
        raise AssertionError

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        raise AssertionError

    def on_records(self, records: Sequence[Record]) -> None:
        raise AssertionError

    def committable(self) -> Offsets:
        return {}


async def test_a_member_that_left_and_comes_back_is_out_until_it_has_a_share_again() -> None:
    crashes: list[BaseException] = []
    settings = Settings.load(kafka="127.0.0.1:9")
    async with GroupConsumer(settings, group="g", owner=Owner(), on_crash=crashes.append) as member:
        assert not member.is_out
        member.subscribe(["one"])
        await eventually(lambda: member.is_out)
        member.joins = 1  # it had a share once

        member.subscribe([])
        await eventually(lambda: not member.is_out)
        await asyncio.sleep(0.2)
        assert not member.is_out  # who wants nothing is not missing

        member.subscribe(["one"])
        await eventually(lambda: member.is_out)
    assert crashes == []
