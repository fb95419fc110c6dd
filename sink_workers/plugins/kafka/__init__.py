"""Kafka: each event is a record on a topic of another cluster, by the CloudEvents Kafka binding."""

from typing import Final

from eventstreams.sinks import Capabilities, SinkPlugin
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kafka.sink import MAX_BATCH_BYTES, TIMEOUT_S, open_sink

_MAX_EVENTS: Final = 500
_HEADER_BYTES: Final = 400  # per event, in addition to its JSON

PLUGIN: Final = SinkPlugin(
    sink_type="kafka",
    summary="A topic of another Kafka cluster.",
    config=KafkaConfig,
    capabilities=lambda _: Capabilities(
        timeout_s=TIMEOUT_S + 3,
        max_batch_events=_MAX_EVENTS,
        max_batch_bytes=MAX_BATCH_BYTES - _MAX_EVENTS * _HEADER_BYTES,
        linger_s=0.02,  # short: subscribers choose a topic for its low latency
        max_in_flight=8,
    ),
    open=open_sink,
)
