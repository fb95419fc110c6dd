"""Kinesis: each event is a record of a data stream in the subscriber's own AWS account.

This module is all that the API needs; AWS's library is imported only when a sink is opened.
"""

from typing import Final

from eventstreams.sinks import Capabilities, Sink, SinkContext, SinkPlugin
from sink_workers.plugins.aws.access import HUNG_S
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.kinesis.request import MAX_KEY_CHARACTERS, MAX_RECORDS, MAX_REQUEST_BYTES

_MAX_IN_FLIGHT: Final = 8  # 13,000 events/s if a request takes 300 ms; more would only hit a shard's limit
_LINGER_S: Final = 0.1
_PACED_S: Final = 5.0  # how long the last of 8 requests waits for its turn if a stream takes no more than one shard
_KEY_BYTES: Final = 4 * MAX_KEY_CHARACTERS  # of UTF-8, at most


async def _open(config: KinesisConfig, context: SinkContext) -> Sink:
    from sink_workers.plugins.kinesis.sink import open_sink  # noqa: PLC0415 - needs the extra

    return await open_sink(config, context)


PLUGIN: Final = SinkPlugin(
    sink_type="kinesis",
    summary="An Amazon Kinesis data stream.",
    config=KinesisConfig,
    capabilities=lambda _: Capabilities(
        timeout_s=HUNG_S + _PACED_S,
        max_batch_events=MAX_RECORDS,
        max_batch_bytes=MAX_REQUEST_BYTES - MAX_RECORDS * _KEY_BYTES,
        linger_s=_LINGER_S,
        max_in_flight=_MAX_IN_FLIGHT,
    ),
    open=_open,
    requires={"botocore": "eventstreams[kinesis]"},
)
