"""Records that share no batch. Kafka refuses whole batches: only of a record that has its own this says what it is."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from eventstreams.headers import Headers
from eventstreams.kafka.producer import Acked, AckedProducer, NotAcked


class Alone:
    """Sends one record at a time, by a producer that is there only while anybody wants it."""

    def __init__(self, producer: Callable[[], AbstractAsyncContextManager[AckedProducer]]) -> None:
        """``producer`` makes one, for which nobody else may have a use."""
        self._make = producer
        self._turn = asyncio.Lock()
        self._senders = 0  # that have their turn or wait for it
        self._open: tuple[AsyncExitStack, AckedProducer] | None = None

    async def send(
        self, topic: str, value: bytes, *, key: bytes | None, headers: Headers, partition: int
    ) -> Acked | NotAcked:
        """As ``AckedProducer.send``; waits until all that came before are answered."""
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
                (stack, _), self._open = self._open, None  # whoever comes while it closes has another
                await stack.aclose()
