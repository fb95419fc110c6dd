"""A steady stream of events to a receiver of the test's own, through a whole system."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from eventstreams.catalog import Catalog
from eventstreams.settings import Settings
from eventstreams.testing.receiver import Received, Receiver
from producers.outcomes import Accepted
from producers.publisher import EventPublisher
from tests.support.events import SENT, message_event
from tests.support.up import Up

EVENTS = 5_000
RATE = 1_000.0
SETTLE_S = 180.0  # generous, for a busy machine


@dataclass
class Stream:
    """A subscription with a receiver that fails every tenth event once."""

    up: Up
    receiver: Receiver
    subscription: Any
    account_sid: str

    async def publish(self, count: int = EVENTS, *, rate: float = RATE, ack_timeout_s: float = SETTLE_S) -> set[str]:
        """Publish ``rate`` events per second, acknowledged within ``ack_timeout_s``; return the accepted ids."""
        settings = Settings.load(kafka=self.up.about["kafka"])
        accepted: set[str] = set()
        loop = asyncio.get_running_loop()
        size = math.ceil(rate / 10)
        async with EventPublisher(settings, Catalog.load(), ack_timeout_s=ack_timeout_s) as publisher:
            began = loop.time()
            async with asyncio.TaskGroup() as group:
                for first in range(0, count, size):
                    await asyncio.sleep(max(began + first / rate - loop.time(), 0))
                    group.create_task(self._publish(publisher, range(first, min(first + size, count)), accepted))
        return accepted

    async def _publish(self, publisher: EventPublisher, numbers: range, accepted: set[str]) -> None:
        for outcome in await publisher.publish_many([message_event(self.account_sid, number) for number in numbers]):
            assert isinstance(outcome, Accepted), outcome
            accepted.add(outcome.id)

    async def delivered(self, count: int) -> None:
        """Wait until ``count`` events were delivered."""
        await self.receiver.wait_for(lambda: len(self.receiver.accepted) >= count, timeout_s=SETTLE_S)

    async def all_delivered(self, accepted: set[str]) -> None:
        """Wait until everything accepted was delivered; nothing else may have been."""
        try:
            await self.receiver.wait_for(lambda: self.receiver.accepted.keys() >= accepted, timeout_s=SETTLE_S)
        except TimeoutError:
            missing = accepted - self.receiver.accepted.keys()
            pytest.fail(f"{len(missing)} of {len(accepted)} events were lost\n{self.up.text}\n{self.up.logs()}")
        assert self.receiver.accepted.keys() == accepted
        duplicates = sum(self.receiver.accepted.values()) - len(accepted)
        assert duplicates < len(accepted)  # allowed around a fault, but not as a rule


@asynccontextmanager
async def open_stream(up: Up) -> AsyncIterator[Stream]:
    """A stream through ``up``, on a sink and a subscription of its own."""
    seen: set[str] = set()

    def answer(received: Received) -> int:
        again = received.ids[0] in seen
        seen.add(received.ids[0])
        return 500 if not again and int(received.ids[0][-2:], 16) % 10 == 0 else 200

    async with Receiver(answer) as receiver:
        client = up.client()
        sink = await asyncio.to_thread(
            client.events.v1.sinks.create,
            description="d",
            sink_type="webhook",
            sink_configuration={"destination": receiver.url},
        )
        subscription = await asyncio.to_thread(
            client.events.v1.subscriptions.create, description="d", sink_sid=sink.sid, types=[{"type": SENT}]
        )
        yield Stream(up, receiver, subscription, up.about["account_sid"])
        await asyncio.to_thread(up.client().events.v1.subscriptions(subscription.sid).delete)
