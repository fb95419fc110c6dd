"""S3: events in Avro or JSON files, by day and type, in the subscriber's bucket.

This module is all that the API needs; AWS's library is imported only when a sink is opened.
"""

from typing import Final

from eventstreams.sinks import Capabilities, Sink, SinkContext, SinkPlugin
from sink_workers.plugins.s3.config import S3Config

_MAX_IN_FLIGHT: Final = 3  # batches, each of one or more objects: one is packed while others are uploaded
_HUNG_S: Final = 63.0  # above what a batch may take


async def _open(config: S3Config, context: SinkContext) -> Sink:
    from sink_workers.plugins.s3.sink import open_sink  # noqa: PLC0415 - needs the extra

    return await open_sink(config, context)


def _capabilities(config: S3Config) -> Capabilities:
    """A batch becomes one or more objects: it waits in its lane until it has enough events or bytes, or is old."""
    return Capabilities(
        timeout_s=_HUNG_S,
        max_batch_events=config.max_events,
        max_batch_bytes=config.max_bytes,
        sized_as_avro=config.format == "avro",
        linger_s=float(config.max_age_s),
        max_in_flight=_MAX_IN_FLIGHT,
        tried_together=True,
    )


PLUGIN: Final = SinkPlugin(
    sink_type="s3",
    summary="Files in an Amazon S3 bucket, or in S3-compatible storage.",
    config=S3Config,
    capabilities=_capabilities,
    open=_open,
    requires={"botocore": "eventstreams[s3]", "isal": "eventstreams[s3]"},
)
