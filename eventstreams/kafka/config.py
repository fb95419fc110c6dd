"""Client settings that every librdkafka client of ours shares."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from confluent_kafka import KafkaError

from eventstreams.kafka.security import security_config
from eventstreams.settings import Settings

ClientConfig = Mapping[str, Any]

_LOG: Final = logging.getLogger("eventstreams.kafka")


def client_config(settings: Settings, extra: ClientConfig = MappingProxyType({})) -> dict[str, Any]:
    """Configuration of a client of our Kafka, in librdkafka's property names; ``extra`` takes precedence."""
    return {
        "bootstrap.servers": settings.kafka,
        **security_config(settings),
        "client.id": settings.instance or "eventstreams",
        "logger": _LOG,
        "error_cb": _log_error,
        # A broker that comes back is noticed within two seconds, not after librdkafka's ten.
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2000,
        # A client that lost track of a leader while the broker was silent finds it again within ten seconds.
        # (With librdkafka's default, five minutes, the control topic had "no leaders" that long and the router waited.)
        "topic.metadata.refresh.interval.ms": 10_000,
        **extra,
    }


def _log_error(error: KafkaError) -> None:
    # librdkafka reconnects by itself; what it reports here helps people who look for the cause of a lag.
    _LOG.warning("kafka.client_reported: %s", error.str())
