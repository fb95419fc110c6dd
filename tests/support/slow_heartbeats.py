"""A router that hears late whether it is still in its group: ``python -m tests.support.slow_heartbeats router``.

Its heartbeats are sent two seconds late, as to a coordinator that is busy. Everything else is the real role.
"""

import asyncio
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.group import HeartbeatRequest

from eventstreams.cli.main import main

_LATE_S = 2.0
_send = GroupCoordinator._send_req


async def _send_late(self: GroupCoordinator, request: Any) -> Any:
    if isinstance(request, HeartbeatRequest):
        await asyncio.sleep(_LATE_S)
    return await _send(self, request)


if __name__ == "__main__":
    GroupCoordinator._send_req = _send_late
    main()
