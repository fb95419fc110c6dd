"""How often the router fetches: at once while many events wait, and every few milliseconds while few arrive.

A round of the router (a fetch request and its response, a check of the routes, copies, a flush) costs about the same
for one event as for twenty. An event that arrives alone is fetched at once; those that arrive soon after it are fetched
together.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.consumer import consumer, fetcher
from typing_extensions import override

_MANY: Final = 64  # waiting events, from which fetching the next at once is worth its cost
_PAUSE_S: Final = 0.004  # the longest an event waits for it; shorter pauses cost a third more: ADR 0037


class PacedFetcher(fetcher.Fetcher):  # type: ignore[misc]  # the library has no types
    """aiokafka's fetcher, which pauses before it asks a broker again after a response that brought few events.

    Fetched records are handed over before the pause, not after it. During the pause the broker counts as having a
    request under way, which keeps the fetcher from sending another; revoking a partition ends the pause like a request.
    """

    @override
    async def _proc_fetch_request(self, assignment: Any, node_id: Any, request: Any) -> bool:
        if await super()._proc_fetch_request(assignment, node_id, request):
            for waiter in self._fetch_waiters:
                self._notify(waiter)
            if _waited(assignment, request) < _MANY:
                with suppress(asyncio.CancelledError):  # like its other waits: nothing is left to do
                    await asyncio.sleep(_PAUSE_S)
        return False  # those that wait for records have been notified


def _waited(assignment: Any, request: Any) -> int:
    """Return how many events there were to fetch when ``request`` was answered."""
    waited = 0
    for topic, partitions in request.topics:
        for number, offset, _ in partitions:
            end = assignment.state_value(TopicPartition(topic, number)).lso
            waited += max((end or 0) - offset, 0)
    return waited


def pace_fetches() -> None:
    """Make all consumers that this process starts from now on use ``PacedFetcher``; aiokafka has no option for it."""
    consumer.Fetcher = PacedFetcher
