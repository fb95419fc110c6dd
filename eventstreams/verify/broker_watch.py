"""Condenses what Kafka clients log about unreachable brokers: one line when a broker goes, one when it is back.

Otherwise each client would log each attempt to connect, twice a second for as long as the broker is away.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from typing_extensions import override

from eventstreams.verify.subscribing import Say

LOGGER: Final = "eventstreams.kafka"
"""The logger of all clients; see ``client_config``."""

_LOOK_S: Final = 1.0
_QUIET_S: Final = 5.0  # clients retry every two seconds: one that is silent for so long is connected
# "localhost:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)"
_OF_BROKER: Final = re.compile(r"(?P<at>[^\s/\]]+:\d+)/(?:bootstrap|-?\d+): (?P<what>.*)")
_ALL_DOWN: Final = re.compile(r"\d+/\d+ brokers are down")
_MOST: Final = 100  # brokers; bounds memory


class BrokerWatch(logging.Filter):
    """Suppresses log records about unreachable brokers, and reports each such broker once instead."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say
        self._away: dict[str, float] = {}  # when each was last reported, on whichever thread

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        found = _OF_BROKER.search(text)
        if found is None:
            return _ALL_DOWN.search(text) is None  # each of them has been reported already
        at = found["at"]
        is_news = at not in self._away
        if is_news and len(self._away) >= _MOST:
            return True
        self._away[at] = time.monotonic()
        if is_news:
            what = found["what"].partition(" (after ")[0].rpartition("failed: ")[2]
            self._say("kafka", f"the broker at {at} is unreachable: {what}")
        return False

    async def keep_looking(self) -> None:
        """Check which brokers are back, forever."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for at, heard in list(self._away.items()):
                if time.monotonic() - heard > _QUIET_S and await _accepts(at):
                    del self._away[at]
                    self._say("kafka", f"the broker at {at} accepts connections again")


async def _accepts(at: str) -> bool:
    """Whether something listens at ``at``, which is ``host:port``."""
    host, _, port = at.rpartition(":")
    try:
        async with asyncio.timeout(_LOOK_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


@asynccontextmanager
async def watching_brokers(say: Say) -> AsyncIterator[None]:
    """While inside, say which brokers go and come back, instead of letting clients log it."""
    watch, logger = BrokerWatch(say), logging.getLogger(LOGGER)
    logger.addFilter(watch)
    looking = asyncio.create_task(watch.keep_looking(), name="broker-watch")
    try:
        yield
    finally:
        looking.cancel()
        logger.removeFilter(watch)
