"""aiokafka's client, for requests to brokers: it finds and keeps connections, and is asked for no topics."""

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

_ANSWER_MS: Final = 10_000  # a broker that hangs
_AGAIN_MS: Final = 100


class Client(AIOKafkaClient):  # type: ignore[misc]  # aiokafka has no types
    """``send(broker, request)`` as aiokafka's.

    Its own look at the cluster would be for all topics, however many there are, or have brokers make those that are
    gone.
    """

    @override
    async def _metadata_update(self, cluster_metadata: Any, topics: object) -> bool:
        return await self.describe((), last=()) is not None

    async def describe(self, topics: Collection[str], *, last: Container[int]) -> Any | None:
        """What a broker says of ``topics``, and of the brokers; None where none says anything.

        Those of ``last`` are asked after all others: they owe another answer, and may never give it.
        """
        answer = await self._ask(topics, last=last)
        if answer is None:  # those that are known are gone, or none was known yet: as at the start
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
    """A client of the configured Kafka, on the loop that runs. To be bootstrapped, and closed."""
    return Client(
        bootstrap_servers=settings.kafka,
        client_id=settings.instance or "eventstreams",
        request_timeout_ms=_ANSWER_MS,
        retry_backoff_ms=_AGAIN_MS,
        **credentials_to_aiokafka_auth(credentials(settings)),
    )
