"""The AMQP sink: publishes events through aio-pika, which runs guarded: every connection is checked first."""

import asyncio
import logging
from collections.abc import Sequence
from ssl import SSLContext
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, TimeoutType
from aiormq import exceptions as amqp
from typing_extensions import override

from eventstreams.sinks import (
    NONSENSE,
    Delivered,
    DeliveryOutcome,
    GuardedSink,
    OutboundEvent,
    PendingCloses,
    RetryLater,
    RetryReason,
    SinkContext,
    no_answer,
    no_connection,
    open_guarded,
)
from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.amqp.judge import Refusal, judge
from sink_workers.plugins.amqp.request import as_message, different_ids
from sink_workers.plugins.tls import client_context

TIMEOUT_S: Final = 10.0
_END_S: Final = 2.0  # for closing a channel or connection
_BY_CODE: Final = {311: Refusal.CONTENT_TOO_LARGE, 403: Refusal.ACCESS_REFUSED, 530: Refusal.NOT_ALLOWED}
_FAILURES: Final = (amqp.AMQPError, amqp.ChannelInvalidStateError, OSError, RuntimeError, *NONSENSE)


class SelfClosingConnection(aio_pika.Connection):
    """Closes itself if connecting fails: the library leaves that to the garbage collector, on any thread."""

    @override
    async def connect(self, timeout: TimeoutType = None) -> None:
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


class AmqpSink:
    """Writes to one exchange. Each delivery has its own channel: an error closes a channel with all that is on it."""

    def __init__(self, config: AmqpConfig, tls: SSLContext | None, *, name: str, timeout_s: float) -> None:
        for library in ("aio_pika", "aiormq"):  # DEBUG logs messages, WARNING what is an outcome here
            logging.getLogger(library).setLevel(logging.CRITICAL)
        self._config = config
        self._tls = tls
        self._name = name
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._connecting = asyncio.Lock()
        self._idle: list[AbstractChannel] = []
        self._pending_closes = PendingCloses()

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Publish ``batch`` in order, and return what the broker confirmed for each event."""
        outcomes: list[DeliveryOutcome] = [no_answer(self._timeout_s)] * len(batch)
        channel: AbstractChannel | None = None
        well = False
        try:
            async with asyncio.timeout(self._timeout_s):
                channel = await self._channel()
                exchange = await self._exchange(channel, ensure=False)
                for positions in different_ids(batch):
                    async with asyncio.TaskGroup() as group:
                        for position in positions:
                            group.create_task(self._publish_one(exchange, batch[position], position, outcomes))
            well = not channel.is_closed
        except TimeoutError:
            await self.aclose()
        except _FAILURES as error:
            outcomes = [_explain(error, events=len(batch))] * len(batch)
        finally:
            if channel is not None and well:
                self._idle.append(channel)
            elif channel is not None and not channel.is_closed:  # answers may still arrive on it
                self._pending_closes.begin(_end(channel))
        return outcomes

    async def probe(self) -> DeliveryOutcome:
        """Look the exchange or queue up on a separate connection, which shows that the broker lets us in."""
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connect()
                try:
                    channel = await connection.channel(publisher_confirms=False)
                    await self._exchange(channel, ensure=True)
                finally:
                    self._pending_closes.begin(_end(connection))
        except TimeoutError:
            return no_answer(self._timeout_s)
        except _FAILURES as error:
            return _explain(error, events=1)
        return Delivered()

    async def aclose(self) -> None:
        """Close the connection in the background. A later delivery opens a new one."""
        self._idle.clear()
        if self._connection is not None:
            self._pending_closes.begin(_end(self._connection))
            self._connection = None

    async def _publish_one(
        self, exchange: AbstractExchange, event: OutboundEvent, position: int, outcomes: list[DeliveryOutcome]
    ) -> None:
        key = event.type if self._config.routing_key is None else self._config.routing_key
        try:
            await exchange.publish(as_message(event, app_id=self._name), key, mandatory=self._config.mandatory)
            outcomes[position] = Delivered()
        except _FAILURES as error:
            outcomes[position] = _explain(error, events=len(outcomes))

    async def _channel(self) -> AbstractChannel:
        while self._idle:
            channel = self._idle.pop()
            if not channel.is_closed:
                return channel
        async with self._connecting:
            if self._connection is None or _is_gone(self._connection):
                self._connection = await self._connect()
        return await self._connection.channel(publisher_confirms=True, on_return_raises=True)

    async def _exchange(self, channel: AbstractChannel, *, ensure: bool) -> AbstractExchange:
        if self._config.exchange:
            return await channel.get_exchange(self._config.exchange, ensure=ensure)
        if ensure and self._config.routing_key is not None:
            await channel.get_queue(self._config.routing_key, ensure=True)
        return channel.default_exchange

    async def _connect(self) -> AbstractConnection:
        host, port = self._config.where
        connection = await aio_pika.connect(
            host=host,
            port=port,
            login=self._config.username,
            password=self._config.password.get_secret_value(),
            virtualhost=self._config.virtual_host,
            ssl=self._config.tls,
            ssl_context=self._tls,
            timeout=self._timeout_s,
            client_properties={"connection_name": self._name},
            connection_class=SelfClosingConnection,
        )
        assume_capabilities(connection)
        return connection


async def open_sink(config: AmqpConfig, context: SinkContext, *, timeout_s: float = TIMEOUT_S) -> GuardedSink:
    """Create the sink; it connects at the first delivery."""
    tls = await client_context(config.ca_certificate) if config.tls else None

    def make() -> AmqpSink:
        return AmqpSink(config, tls, name=context.user_agent, timeout_s=timeout_s)

    return await open_guarded(make, context)


def _is_gone(connection: AbstractConnection) -> bool:
    """Whether the connection is closed; aio-pika itself notices a little later."""
    return connection.is_closed or connection.transport is None or connection.transport.connection.is_closed


def assume_capabilities(connection: AbstractConnection) -> None:
    """Request confirms also from a broker that, unlike RabbitMQ, sends no list of capabilities."""
    if connection.transport is not None:
        properties = connection.transport.connection.server_properties
        properties.setdefault("capabilities", {"publisher_confirms": True})


async def _end(what: AbstractConnection | AbstractChannel) -> None:
    try:
        async with asyncio.timeout(_END_S):
            await what.close()
    except _FAILURES:
        return  # it is closed either way


def _explain(error: Exception, *, events: int) -> DeliveryOutcome:
    refusal = _refusal(error)
    if refusal is not None:
        return judge(refusal, events=events)
    cause = error.__cause__
    if isinstance(error, amqp.AMQPConnectionError) and isinstance(cause, OSError):
        error = cause
    if isinstance(error, OSError):
        return no_connection(error)
    return RetryLater(RetryReason.BAD_ANSWER, f"its answer is not valid AMQP: {type(error).__name__}")


def _refusal(error: Exception) -> Refusal | None:
    """The broker's refusal in ``error``; None if it is not the broker's."""
    match error:
        case amqp.PublishError():
            return Refusal.NO_ROUTE
        case amqp.DeliveryError():
            return Refusal.NACK
        case amqp.ChannelNotFoundEntity():
            return Refusal.NOT_FOUND
        case amqp.ChannelPreconditionFailed():
            return Refusal.PRECONDITION_FAILED
        case amqp.ChannelAccessRefused() | amqp.AuthenticationError() | amqp.ProbableAuthenticationError():
            return Refusal.ACCESS_REFUSED
        case amqp.ConnectionNotAllowed():
            return Refusal.NOT_ALLOWED
        case amqp.AMQPChannelError() | amqp.ConnectionClosed() if error.args:
            return _BY_CODE.get(error.args[0], Refusal.CLOSED)
        case amqp.ProtocolSyntaxError() | RuntimeError():  # both libraries raise the latter for anything closed
            return Refusal.CLOSED
        case _:
            return None
