"""The control topic's end offset, requested by the client that fetched the events, on its own thread.

A request through another client wakes half a dozen threads, which at a few hundred events a second costs more than
the events themselves.
"""

import asyncio
from enum import IntEnum
from typing import Any, Final, Protocol

from aiokafka.errors import KafkaError
from aiokafka.protocol.offset import OffsetRequest
from faust.types import TP

_REQUEST_S: Final = 10.0
_NOT_A_REPLICA: Final = -1
_READ_COMMITTED: Final = 1
_LATEST: Final = -1


class _Connections(IntEnum):
    """A connection besides aiokafka's own: on the fetcher's, requests would wait behind a fetch that waits."""

    ASKING = 2


async def end_of(client: Any, partition: TP) -> int | None:
    """Return the offset before which ``client`` (aiokafka's) can read all of ``partition`` now; None if unknown."""
    leader = client.cluster.leader_for_partition(partition)
    if leader is None or leader < 0:
        client.add_topic(partition.topic)  # so that one of the next calls knows the leader
        return None
    asked = OffsetRequest(_NOT_A_REPLICA, _READ_COMMITTED, [(partition.topic, [(partition.partition, _LATEST)])])
    try:
        async with asyncio.timeout(_REQUEST_S):
            answer = await client.send(leader, asked, group=_Connections.ASKING)
    except (TimeoutError, KafkaError):
        return None
    [(_, [(_, code, _, offset)])] = answer.topics
    if code:
        client.force_metadata_update()
        return None
    return int(offset)


class Routes(Protocol):
    """What the router knows of the control topic; see ``ControlFeed``."""

    async def catch_up(self) -> None: ...
    async def wait_until(self, offset: int) -> None: ...


async def catch_up(routes: Routes, end: int | None) -> None:
    """Wait until ``routes`` has everything before ``end``; if ``end`` is unknown, ``routes`` finds it out itself."""
    if end is None:
        await routes.catch_up()
    else:
        await routes.wait_until(end)
