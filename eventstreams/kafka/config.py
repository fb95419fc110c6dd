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
    """Settings for a client of the configured Kafka, with ``extra``, in librdkafka's own names."""
    return {
        "bootstrap.servers": settings.kafka,
        **security_config(settings),
        "client.id": settings.instance or "eventstreams",
        "logger": _LOG,
        "error_cb": _log_error,
        # A broker that comes back is noticed within two seconds, not after librdkafka's ten.
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2000,
        # A leader that a client lost sight of while the broker was silent is found again after ten seconds at most.
        # (With librdkafka's five minutes the control topic had "no leaders" for so long, and the router waited.)
        "topic.metadata.refresh.interval.ms": 10_000,
        **extra,
    }


def _log_error(error: KafkaError) -> None:
    # librdkafka reconnects by itself; what it tells here is for people who look for the reason of a lag.
    _LOG.warning("kafka.client_reported: %s", error.str())
