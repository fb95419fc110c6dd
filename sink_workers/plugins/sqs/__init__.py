"""SQS: each event is a message in a queue of the subscriber's own AWS account.

This module is all that the API needs; AWS's library is imported only when a sink is opened.
"""

from typing import Final

from eventstreams.sinks import Capabilities, Sink, SinkContext, SinkPlugin
from sink_workers.plugins.aws.access import HUNG_S
from sink_workers.plugins.sqs.config import SqsConfig
from sink_workers.plugins.sqs.request import MAX_BYTES, MAX_MESSAGES

_MAX_IN_FLIGHT: Final = 32  # 16,000 events/s if a request takes 20 ms
_IN_ORDER: Final = 1  # concurrent requests would reach a FIFO queue in any order
_LINGER_S: Final = 0.02


async def _open(config: SqsConfig, context: SinkContext) -> Sink:
    from sink_workers.plugins.sqs.sink import open_sink  # noqa: PLC0415 - needs the extra

    return await open_sink(config, context)


PLUGIN: Final = SinkPlugin(
    sink_type="sqs",
    summary="An Amazon SQS queue, standard or FIFO.",
    config=SqsConfig,
    capabilities=lambda config: Capabilities(
        timeout_s=HUNG_S,
        max_batch_events=MAX_MESSAGES,
        max_batch_bytes=MAX_BYTES,
        linger_s=_LINGER_S,
        max_in_flight=_IN_ORDER if config.is_fifo else _MAX_IN_FLIGHT,
    ),
    open=_open,
    requires={"botocore": "eventstreams[sqs]"},
)
