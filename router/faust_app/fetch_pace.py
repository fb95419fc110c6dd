"""How often the router fetches: at once where many events wait, and every few milliseconds where few come.

A turn of the router (a request of some partitions and its answer, a question about the routes, copies, a flush) costs
about the same for one event as for twenty. An event that comes alone is fetched at once; those that come soon after it
are fetched together.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.consumer import consumer, fetcher
from typing_extensions import override

_MANY: Final = 64  # events that wait: to fetch more of them at once is worth its price
_PAUSE_S: Final = 0.004  # who comes at its beginning waits for all of it; shorter ones cost a third more: ADR 0037


class PacedFetcher(fetcher.Fetcher):  # type: ignore[misc]  # the library has no types
    """aiokafka's fetcher, which asks a broker nothing for a while after an answer that brought few events.

    What was brought is handed over before the pause, not after it. The broker counts as asked meanwhile, which is
    what keeps the fetcher from asking it; a partition that is taken away ends the pause as it ends a request.
    """

    @override
    async def _proc_fetch_request(self, assignment: Any, node_id: Any, request: Any) -> bool:
        if await super()._proc_fetch_request(assignment, node_id, request):
            for waiter in self._fetch_waiters:
                self._notify(waiter)
            if _waited(assignment, request) < _MANY:
                with suppress(asyncio.CancelledError):  # as its other waits do: nothing is left to be done
                    await asyncio.sleep(_PAUSE_S)
        return False  # whoever waits for records knows by now


def _waited(assignment: Any, request: Any) -> int:
    """How many events there were to fetch, when ``request`` was answered."""
    waited = 0
    for topic, partitions in request.topics:
        for number, offset, _ in partitions:
            end = assignment.state_value(TopicPartition(topic, number)).lso
            waited += max((end or 0) - offset, 0)
    return waited


def pace_fetches() -> None:
    """Have every consumer of this process that starts from now on fetch so; there is no other way in."""
    consumer.Fetcher = PacedFetcher
