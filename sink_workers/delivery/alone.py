"""Sends records in batches of their own. Kafka refuses whole batches, so only then is a refusal about that record."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from eventstreams.headers import Headers
from eventstreams.kafka.producer import Acked, AckedProducer, NotAcked


class Alone:
    """Sends one record at a time, through a producer that exists only while there are senders."""

    def __init__(self, producer: Callable[[], AbstractAsyncContextManager[AckedProducer]]) -> None:
        """``producer`` makes a producer, which nothing else may use: two records at once might share a batch."""
        self._make = producer
        self._turn = asyncio.Lock()
        self._senders = 0  # sending, or waiting for their turn
        self._open: tuple[AsyncExitStack, AckedProducer] | None = None

    async def send(
        self, topic: str, value: bytes, *, key: bytes | None, headers: Headers, partition: int
    ) -> Acked | NotAcked:
        """Like ``AckedProducer.send``, but waits until all earlier records have been answered."""
        self._senders += 1
        try:
            async with self._turn:
                if self._open is None:
                    stack = AsyncExitStack()
                    self._open = stack, await stack.enter_async_context(self._make())
                _, producer = self._open
                return await producer.send(topic, value, key=key, headers=headers, partition=partition)
        finally:
            self._senders -= 1
            if not self._senders and self._open is not None:
                (stack, _), self._open = self._open, None  # a sender that comes while it closes opens another
                await stack.aclose()
