"""The sink: one server and tube, several connections."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from eventstreams.sinks import (
    Capabilities,
    DeliveryOutcome,
    DestinationGuard,
    OutboundEvent,
    RetryLater,
    RetryReason,
    SinkContext,
    SinkPlugin,
    no_answer,
    no_connection,
    open_connection,
)
from eventstreams_beanstalk.config import BeanstalkConfig
from eventstreams_beanstalk.protocol import STATS, OutOfStepError, check_use, judge, judge_stats, put, stats_length, use

TIMEOUT_S: Final = 5.0
MAX_IN_FLIGHT: Final = 4
FAILURES: Final = (OSError, EOFError, asyncio.LimitOverrunError, OutOfStepError)  # a timeout is an OSError

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BeanstalkSink:
    """Puts each event as a job. Every delivery has a connection to itself, and returns it if all went well."""

    def __init__(self, config: BeanstalkConfig, guard: DestinationGuard) -> None:
        self._config = config
        self._guard = guard
        self._idle: list[Connection] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._closed = False

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Send all jobs at once, then read their responses; jobs without a response are retried."""
        outcomes: list[DeliveryOutcome] = []
        try:
            async with asyncio.timeout(TIMEOUT_S), self._connection() as (reader, writer):
                writer.writelines([use(self._config.tube), *(put(event.json()) for event in batch)])
                await writer.drain()
                check_use(await reader.readuntil(b"\r\n"))
                while len(outcomes) < len(batch):
                    outcomes.append(judge(await reader.readuntil(b"\r\n")))
        except FAILURES as error:
            return outcomes + [_explain(error)] * (len(batch) - len(outcomes))
        return outcomes

    async def probe(self) -> DeliveryOutcome:
        """Ask whether the server accepts jobs, instead of putting one."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._connection() as (reader, writer):
                writer.write(STATS)
                length = stats_length(await reader.readuntil(b"\r\n"))
                return judge_stats(await reader.readexactly(length))
        except FAILURES as error:
            return _explain(error)

    async def aclose(self) -> None:
        self._closed = True
        for writer in self._open:
            writer.transport.abort()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A connection on which no response is outstanding.

        It is closed unless all went well: a response that nobody waits for any more would be taken for the next one.
        That includes cancellation, which ``except Exception`` does not catch.
        """
        connection = self._idle_connection() or await self._connect()
        well = False
        try:
            yield connection
            well = not self._closed
        finally:
            if well:
                self._idle.append(connection)
            else:
                self._drop(connection)

    def _idle_connection(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection[0].at_eof():  # the server may have gone since
                return connection
            self._drop(connection)
        return None

    async def _connect(self) -> Connection:
        reader, writer = await open_connection(self._config.host, self._config.port, guard=self._guard)
        self._open.add(writer)
        return reader, writer

    def _drop(self, connection: Connection) -> None:
        _, writer = connection
        self._open.discard(writer)
        writer.transport.abort()


def _explain(error: Exception) -> RetryLater:
    match error:
        case TimeoutError():
            return no_answer(TIMEOUT_S)
        case OSError():
            return no_connection(error)
        case EOFError():
            return RetryLater(RetryReason.CONNECT_FAILED, "it closed the connection")
        case _:
            return RetryLater(RetryReason.BAD_ANSWER, "its answer is not valid beanstalkd protocol")


async def _open(config: BeanstalkConfig, context: SinkContext) -> BeanstalkSink:
    return BeanstalkSink(config, context.guard)


PLUGIN: Final = SinkPlugin(
    sink_type="beanstalk",
    summary="A beanstalkd queue: each event is a job.",
    config=BeanstalkConfig,
    capabilities=lambda _: Capabilities(
        timeout_s=TIMEOUT_S + 3,
        max_batch_events=100,
        max_batch_bytes=256 * 1024,
        linger_s=0.05,
        max_in_flight=MAX_IN_FLIGHT,
    ),
    open=_open,
)
