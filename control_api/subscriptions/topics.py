"""Creates the topics of new subscriptions, before the turn to write is taken, as that takes Kafka a while.

Kafka creates eight topics in one request in the time of one, 35 to 45 ms, but takes eight times as long for eight
requests. So topics that are wanted while a request is under way share the next one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Generic, TypeVar

from eventstreams.errors import EventStreamsError, TopicError
from eventstreams.http import RefusedError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import TopicSpec

T = TypeVar("T")
R = TypeVar("R")

_log = get_logger(__name__)


class _Together(Generic[T, R]):
    """Batches calls: items that arrive while ``work`` is running share its next call."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[R]]) -> None:
        self._work = work
        self._wanted: list[T] = []  # at most one for each request that is being answered
        self._next: asyncio.Task[R] | None = None
        self._working = asyncio.Lock()

    async def do(self, item: T) -> R:
        """Return the result of ``work`` for the batch that contains ``item``; raises like ``work``."""
        self._wanted.append(item)
        if self._next is None:
            self._next = asyncio.create_task(self._do_all(), name="together")
        return await asyncio.shield(self._next)

    async def _do_all(self) -> R:
        async with self._working:
            wanted, self._wanted, self._next = self._wanted, [], None
            return await self._work(wanted)


class TopicMaker:
    """Creates topics, and removes those that turn out not to be needed."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._made = _Together[TopicSpec, Mapping[str, TopicError]](admin.ensure_each)
        self._removed = _Together[str, None](admin.delete)
        self._under_way: Counter[str] = Counter()
        self._partitions: Counter[str] = Counter()

    @property
    def partitions(self) -> Mapping[str, int]:
        """By account, how many partitions are being created for subscriptions that are not put yet."""
        return self._partitions

    def under_way(self, account_sid: str) -> int:
        """How many topics are being created for subscriptions of the account that are not put yet."""
        return self._under_way[account_sid]

    @asynccontextmanager
    async def made(self, spec: TopicSpec, *, account_sid: str) -> AsyncIterator[None]:
        """Create a topic for a subscription that is put inside the block; if that fails, the topic is removed.

        Raises:
            TopicError: Kafka refused it.
        """
        with _counted(self._under_way, account_sid, 1), _counted(self._partitions, account_sid, spec.partitions):
            problem = (await self._made.do(spec)).get(spec.name)
            if problem is not None:  # with this topic, not with others of the batch
                raise problem
            try:
                yield
            except EventStreamsError:  # refused, or no longer the primary: nothing was put
                await self._remove(spec)
                raise

    def growing(self, account_sid: str, *, more: int) -> AbstractContextManager[None]:
        """Count ``more`` partitions by which a topic of the account grows, until its subscription is written."""
        return _counted(self._partitions, account_sid, more)

    async def _remove(self, spec: TopicSpec) -> None:
        try:
            await self._removed.do(spec.name)
        except TopicError as error:
            _log.warning("topic.not_removed", topic=spec.name, error=str(error), follows="it remains, empty")


@contextmanager
def _counted(counts: Counter[str], key: str, number: int) -> Iterator[None]:
    counts[key] += number
    try:
        yield
    finally:
        counts[key] -= number
        if not counts[key]:
            del counts[key]


def partitions_in(text: str, most: int) -> int:
    """Parse ``Partitions``.

    Raises:
        RefusedError: it is not an integer from 1 to ``most``.
    """
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else 0
    if not 1 <= number <= most:
        raise RefusedError(f"Partitions must be an integer from 1 to {most}")
    return number
