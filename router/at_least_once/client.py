"""aiokafka's low-level client: it keeps the connections to brokers, and requests metadata only as it is told to."""

import random
from collections.abc import Collection, Container
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from typing_extensions import override

from eventstreams.settings import Settings
from router.faust_app.credentials import credentials

_ANSWER_MS: Final = 10_000  # request timeout, for a broker that hangs
_AGAIN_MS: Final = 100


class Client(AIOKafkaClient):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's client, with metadata requests of our own; use its ``send(broker, request)``.

    aiokafka's own metadata refresh would request all topics, however many there are, or have the brokers auto-create
    those that were deleted.
    """

    @override
    async def _metadata_update(self, cluster_metadata: Any, topics: object) -> bool:
        return await self.describe((), last=()) is not None

    async def describe(self, topics: Collection[str], *, last: Container[int]) -> Any | None:
        """Return a broker's metadata response for ``topics``, which lists all brokers too; None if no broker answers.

        Brokers in ``last`` are asked after all others: they have requests in flight, which they may never answer.
        """
        answer = await self._ask(topics, last=last)
        if answer is None:  # the known brokers are gone, or none is known yet: bootstrap again
            if (connection := self._conns.pop(("bootstrap", ConnectionGroup.DEFAULT), None)) is not None:
                connection.close()
            try:
                await self.bootstrap()
            except (KafkaError, OSError):
                return None
            answer = await self._ask(topics, last=last)
        return answer

    async def _ask(self, topics: Collection[str], *, last: Container[int]) -> Any | None:
        brokers = [each.nodeId for each in self.cluster.brokers()]
        random.shuffle(brokers)
        brokers.sort(key=last.__contains__)
        for broker in brokers:
            connection = await self._get_conn(broker)
            if connection is None:
                continue
            try:
                answer = await connection.send(MetadataRequest(sorted(topics), allow_auto_topic_creation=False))
            except (KafkaError, TimeoutError):
                continue
            if answer.brokers:
                self.cluster.update_metadata(answer)
                return answer
        return None


def client_of(settings: Settings) -> Client:
    """Return a client of the configured Kafka, for the running event loop. The caller must bootstrap and close it."""
    return Client(
        bootstrap_servers=settings.kafka,
        client_id=settings.instance or "eventstreams",
        request_timeout_ms=_ANSWER_MS,
        retry_backoff_ms=_AGAIN_MS,
        **credentials_to_aiokafka_auth(credentials(settings)),
    )
