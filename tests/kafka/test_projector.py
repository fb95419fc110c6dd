"""The thread that fills the delivery log, with a store that fails as no real one can be made to."""

from collections.abc import Mapping, Sequence

import pytest
from typing_extensions import override

from control_api.delivery_log.projector import Projector
from control_api.delivery_log.store import AcceptedEvent, Lag, LoggedEntry, LogWriter, StoreDamagedError
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import now_ms
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka


class Stubborn(LogWriter):
    """Is damaged until it is thrown away, which works at the second try."""

    held_bytes = 0

    def __init__(self) -> None:
        self.tries = 0
        self.events: list[AcceptedEvent] = []

    @override
    def open(self, identity: str) -> Mapping[Partition, int]:
        if self.tries < 2:
            raise StoreDamagedError("no database")
        return {}

    @override
    def write(
        self,
        events: Sequence[AcceptedEvent],
        entries: Sequence[LoggedEntry],
        offsets: Mapping[Partition, int],
        *,
        now_ms: int,
    ) -> None:
        self.events += events

    @override
    def tell(self, lag: Lag) -> None: ...

    @override
    def heard(self, *, now_ms: int) -> Lag | None: ...

    @override
    def discard(self) -> None:
        self.tries += 1
        if self.tries < 2:
            raise OSError("read-only file system")

    @override
    def close(self) -> None: ...


async def test_a_damaged_log_that_cannot_be_thrown_away_is_tried_again(settings: Settings) -> None:
    writer = Stubborn()
    async with Installation(settings) as installation:
        await installation.publish([installation.event()])
        with Projector(settings, writer, metrics=Metrics(), clock=now_ms):
            await eventually(lambda: len(writer.events) == 1)
    assert writer.tries == 2
