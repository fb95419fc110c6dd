"""AMQP 0-9-1: each event is a persistent message to an exchange of RabbitMQ or another AMQP broker.

This module is all that the API needs; the AMQP library is imported only when a sink is opened.
"""

from typing import Final

from eventstreams.sinks import Capabilities, Sink, SinkContext, SinkPlugin
from sink_workers.plugins.amqp.config import AmqpConfig


async def _open(config: AmqpConfig, context: SinkContext) -> Sink:
    from sink_workers.plugins.amqp.sink import open_sink  # noqa: PLC0415 - needs the extra

    return await open_sink(config, context)


PLUGIN: Final = SinkPlugin(
    sink_type="amqp",
    summary="An exchange of an AMQP broker, such as RabbitMQ.",
    config=AmqpConfig,
    capabilities=lambda _: Capabilities(
        timeout_s=13.0,  # above the 10 s that a delivery may take
        max_batch_events=100,  # unconfirmed on one channel
        max_batch_bytes=1 << 20,
        linger_s=0.01,
        max_in_flight=8,  # channels
    ),
    open=_open,
    requires={"aio_pika": "eventstreams[amqp]"},
)
