"""The baseline: a bare loop from Kafka to HTTP with confluent-kafka and aiohttp, 64 requests at a time.

``python -m benchmarks.path.bare KAFKA TOPIC URL``. It does not retry, commit, sign or check anything.
"""

import asyncio
import sys
from typing import Final

import aiohttp
from confluent_kafka import Consumer, Message

_AT_ONCE: Final = 64


async def main() -> None:
    kafka, topic, url = sys.argv[1:]
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    consumer.subscribe([topic])
    waiting: asyncio.Queue[bytes] = asyncio.Queue(1000)
    connector = aiohttp.TCPConnector(limit=_AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send() -> None:
            while True:
                async with session.post(url, data=await waiting.get()) as answer:
                    await answer.read()

        senders = [asyncio.create_task(send()) for _ in range(_AT_ONCE)]
        print("ready", flush=True)
        while all(not each.done() for each in senders):
            for message in await asyncio.to_thread(_what_is_there, consumer):
                if message.error() is None:
                    await waiting.put(message.value() or b"")


def _what_is_there(consumer: Consumer) -> list[Message]:
    """Return the messages that are there: ``consume`` alone would wait for its time-out if there are fewer."""
    first = consumer.poll(0.1)
    return [] if first is None else [first, *consumer.consume(499, 0)]


if __name__ == "__main__":
    asyncio.run(main())
