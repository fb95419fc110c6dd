"""The sending thread's connection to Kafka: made when it is first needed, and retried until a broker responds."""

import asyncio
from typing import Final

from aiokafka.errors import KafkaError as ProtocolError
from aiokafka.protocol.transaction import InitProducerIdRequest
from confluent_kafka import KafkaError

from eventstreams.errors import FatalProducerError
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from router.at_least_once.client import Client, client_of
from router.at_least_once.codes import FORBIDDEN

_CONNECT_AGAIN_S: Final = 1.0
_ID_AGAIN_S: Final = 0.1  # a broker that has just started needs part of a second
_NO_TIMEOUT_MS: Final = 0  # transaction timeout: there are no transactions

_log = get_logger(__name__)


class Connection:
    """Holds the one client. Only for the thread with its event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def client(self) -> Client:
        """Return the client; on the first call connect it, retrying until a bootstrap server answers."""
        async with self._connecting:
            if self._client is None:
                client = client_of(self._settings)
                while True:
                    try:
                        await client.bootstrap()
                    except (ProtocolError, OSError) as error:
                        _log.warning("kafka.not_reached", error=str(error), follows="it is retried")
                        await asyncio.sleep(_CONNECT_AGAIN_S)
                    else:
                        break
                self._client = client
            return self._client

    async def new_producer_id(self) -> tuple[int, int]:
        """Return a producer id that nobody had before, and its epoch; retries until a broker assigns one.

        Raises:
            FatalProducerError: This router may not have one.
        """
        while True:
            client = await self.client()
            try:
                answer = await client.send(client.get_random_node(), InitProducerIdRequest(None, _NO_TIMEOUT_MS))
            except (ProtocolError, OSError, KeyError) as error:  # KeyError: aiokafka has lost its connection meanwhile
                problem = type(error).__name__
            else:
                if not answer.error_code:
                    return answer.producer_id, answer.producer_epoch
                problem = KafkaError(answer.error_code).str()
                if answer.error_code in FORBIDDEN:
                    raise FatalProducerError(f"Kafka does not assign this router a producer id: {problem}")
            _log.warning("kafka.no_producer_id", error=problem, follows="it is requested again")
            await asyncio.sleep(_ID_AGAIN_S)

    async def close(self) -> None:
        """Close the client, if there is one."""
        if self._client is not None:
            await self._client.close()
