"""A member of a group whose client does not find back into it by itself."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.kafka.records import Partition, Record
from eventstreams.settings import Settings
from eventstreams.testing.broker import running_broker
from eventstreams.topics import TopicSpec
from tests.conftest import installation_settings
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


class Owner:
    """Settles nothing, and does something of the test's at its first assignment."""

    def __init__(self, at_first: Callable[[], None]) -> None:
        self.received: list[bytes] = []
        self.lost: list[Partition] = []
        self._at_first: Callable[[], None] | None = at_first

    def on_assigned(self, partitions: Mapping[Partition, Commit | None]) -> None:
        if self._at_first is not None:
            self._at_first()
            self._at_first = None

    async def on_revoked(self, partitions: Sequence[Partition]) -> Commits:
        return {}

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        self.lost += partitions

    def on_records(self, records: Sequence[Record]) -> None:
        self.received += [record.value for record in records]

    def committable(self) -> Commits:
        return {}

    def hold(self, *, held: bool) -> None:
        pass


async def run(settings: Settings, owner: Owner, thaw: Callable[[], None]) -> None:
    topic = f"{settings.topic_prefix}one"
    crashes: list[BaseException] = []
    async with Installation(settings) as installation:
        await installation.admin.ensure([TopicSpec(topic, 8, {})])
        await installation.put_raw(topic, b"it", ())
        group = f"{settings.topic_prefix}group"
        async with GroupConsumer(settings, group=group, owner=owner, on_crash=crashes.append, rejoin_s=15.0) as member:
            member.subscribe([topic])
            await eventually(lambda: len(owner.lost) == 8, timeout_s=60)
            await eventually(lambda: member.is_out)

            thaw()

            await eventually(lambda: owner.received == [b"it"], timeout_s=120)
            await eventually(lambda: not member.is_out)
            assert member.joins >= 2
    assert crashes == []


async def test_a_broker_that_falls_silent_right_after_an_assignment_costs_nobody_its_place_for_good(
    tmp_path: Path,
) -> None:
    """Librdkafka is then asking for committed offsets, and waits for that answer for ever."""
    with running_broker(tmp_path) as broker, installation_settings(broker.bootstrap) as settings:
        try:
            await run(settings, Owner(broker.freeze), broker.thaw)
        finally:
            broker.thaw()
