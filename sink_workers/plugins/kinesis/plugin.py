"""The plugin value. The API knows the type by it, without AWS' library; only whoever opens a sink needs that."""

from typing import Final

from eventstreams.sinks import Capabilities, Sink, SinkContext, SinkPlugin
from sink_workers.plugins.kinesis.config import KinesisConfig, public
from sink_workers.plugins.kinesis.request import MAX_KEY_CHARACTERS, MAX_RECORDS, MAX_REQUEST_BYTES

_MAX_IN_FLIGHT: Final = 8  # 13,000 events/s where a request takes 300 ms; more would only run into a shard's limit
_LINGER_S: Final = 0.1
_KEY_BYTES: Final = 4 * MAX_KEY_CHARACTERS  # of UTF-8, at most
_HUNG_S: Final = 43.0  # above four exchanges of 10 s: a role, records, and both again with another key


async def _open(config: KinesisConfig, context: SinkContext) -> Sink:
    from sink_workers.plugins.kinesis.sink import open_sink  # noqa: PLC0415 - needs the extra

    return await open_sink(config, context)


PLUGIN: Final = SinkPlugin(
    sink_type="kinesis",
    config=KinesisConfig,
    capabilities=lambda _: Capabilities(
        timeout_s=_HUNG_S,
        max_batch_events=MAX_RECORDS,
        max_batch_bytes=MAX_REQUEST_BYTES - MAX_RECORDS * _KEY_BYTES,
        linger_s=_LINGER_S,
        max_in_flight=_MAX_IN_FLIGHT,
    ),
    public=public,
    open=_open,
    requires={"botocore": "eventstreams[kinesis]"},
)
