"""``python -m benchmarks.routing_rivals bare|faust``: the programs that the router is compared with.

Each copies every event to the topics that the plan on its standard input names, without any matching: what the router
does on top (reading headers, looking up routes, writing its own headers, asking for the control topic's end) is the
router's own cost.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import faust
import orjson
from confluent_kafka import Consumer, KafkaError, Message, Producer

_AT_ONCE: Final = 1_000
_COMMIT_EVERY: Final = 10_000  # events; waiting for acknowledgements more often slows the bare loop


@dataclass(frozen=True, slots=True)
class RivalPlan:
    """What to copy where: event number ``n`` to ``fan_out`` of ``topics``, starting with the ``n``-th (cyclically)."""

    kafka: str
    group: str
    events: str
    topics: tuple[str, ...]
    fan_out: int

    def to_json(self) -> str:
        return orjson.dumps(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**orjson.loads(text))

    def targets(self) -> list[list[str]]:
        """Return the topics for each event: those of event ``n`` at index ``n`` modulo the length."""
        count = len(self.topics)
        return [[self.topics[(first + n) % count] for n in range(self.fan_out)] for first in range(count)]


def bare(plan: RivalPlan) -> None:
    """Copy with librdkafka's consumer and producer and nothing between; commit what the brokers acknowledged."""
    consumer = Consumer(
        {
            "bootstrap.servers": plan.kafka,
            "group.id": plan.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": plan.kafka,
            "enable.idempotence": True,
            "linger.ms": 5,
            "batch.size": 524_288,
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
        }
    )
    failed: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    targets, produce = plan.targets(), producer.produce
    count, number, waiting = len(targets), 0, 0
    consumer.subscribe([plan.events])
    while True:
        messages = consumer.consume(_AT_ONCE, 0.05)
        for message in messages:
            value, key, headers = message.value(), message.key(), message.headers()
            number += 1  # not the offset, which starts at 0 in each partition: every topic gets as many copies
            for topic in targets[number % count]:
                while True:
                    try:
                        produce(topic, value, key, headers=headers, on_delivery=on_delivery)
                        break
                    except BufferError:
                        producer.poll(0.05)
        waiting += len(messages)
        if waiting and (waiting >= _COMMIT_EVERY or not messages):
            producer.flush()
            assert not failed, failed[0]
            consumer.commit(asynchronous=True)
            waiting = 0


def stock_faust(plan: RivalPlan) -> None:
    """Copy with Faust as its documentation shows it, with its own producer; not even waiting for acknowledgements."""
    app = faust.App(
        plan.group,
        broker=f"kafka://{plan.kafka}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        datadir=f"/tmp/{plan.group}",  # Faust requires a folder, but writes nothing without tables
    )
    targets = [
        [app.topic(name, key_type=bytes, value_type=bytes, value_serializer="raw") for name in names]
        for names in plan.targets()
    ]
    count = len(targets)

    @app.agent(app.topic(plan.events, key_type=bytes, value_type=bytes, value_serializer="raw"))
    async def copy(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            for topic in targets[message.offset % count]:
                await topic.send(key=message.key, value=message.value, headers=dict(message.headers))

    app.finalize()
    worker = faust.Worker(app, loglevel="ERROR", redirect_stdouts=False)
    worker.execute_from_commandline()


_RIVALS: Final[dict[str, Callable[[RivalPlan], None]]] = {"bare": bare, "faust": stock_faust}

if __name__ == "__main__":
    _RIVALS[sys.argv[1]](RivalPlan.from_json(sys.stdin.read()))
