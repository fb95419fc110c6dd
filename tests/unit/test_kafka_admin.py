"""Whoever asks a broker that takes connections and says nothing."""

import socket

import pytest

from eventstreams.errors import BrokerUnreachableError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings


async def test_a_broker_that_says_nothing_is_waited_for_as_long_as_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        admin = KafkaAdmin(Settings.load(kafka=f"127.0.0.1:{silent.getsockname()[1]}"), answer_s=0.5)

        with pytest.raises(BrokerUnreachableError, match=r"no Kafka broker answered at .* within 0\.5 s"):
            await admin.topics()
