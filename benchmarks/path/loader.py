"""Publishes events of one size at little cost: encoded once, each with an id, time and key of its own.

``python -m benchmarks.path.loader KAFKA TOPIC FIRST COUNT RATE ACCOUNT BYTES``: RATE is in events per second, 0 for as
fast as possible. The values are those that ``EventPublisher`` writes; with the word ``json`` for ACCOUNT they are
webhook bodies. It connects, prints ``ready`` and starts once its standard input ends, so that its own start-up is not
measured.
"""

import sys
import time
from typing import Final

import orjson
from confluent_kafka import Producer

from benchmarks.events import encoded
from benchmarks.path.receiver import event_id
from benchmarks.publisher import messages
from eventstreams.events import Event
from eventstreams.headers import ID

_KEYS: Final = 1024
_REACHED_S: Final = 60.0


def main() -> None:
    kafka, topic, first, count, rate, account, size = sys.argv[1:]
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            # Like our own producer; and at most five requests in flight: if Kafka is slow for a moment, later events
            # share requests instead of queueing up for the rest of the run.
            "enable.idempotence": True,
            "linger.ms": 2 if rate == "0" else 0,
            "queue.buffering.max.messages": 100_000,
            "compression.type": "lz4",
        }
    )
    as_json = account == "json"
    [event] = messages(1, int(size))
    if not as_json:
        event = Event(
            type=event.type, source=event.source, account_sid=account, data={**event.data, "accountSid": account}
        )
    [record] = encoded([event])
    others = [header for header in record.headers if header[0] != ID]
    shown = {
        "specversion": "1.0",
        "type": event.type,
        "source": event.source,
        "id": "@",
        "time": "2026-11-24T10:00:00.000Z",
        "dataschema": "https://events-schemas.twilio.com/Messaging.MessageStatus/1",
        "datacontenttype": "application/json",
        "data": event.data,
    }
    before, after = (b"[" + orjson.dumps(shown) + b"]").split(b"@")
    producer.list_topics(topic, timeout=_REACHED_S)
    print("ready", flush=True)
    sys.stdin.read()
    began = time.monotonic()
    for number in range(int(first), int(first) + int(count)):
        if rate != "0":
            wait = began + (number - int(first)) / float(rate) - time.monotonic()
            if wait > 0:
                producer.poll(0)
                time.sleep(wait)
        identity = event_id(number, time.time_ns())
        value = before + identity + after if as_json else record.value
        headers: list[tuple[str, str | bytes | None]] = [] if as_json else [(ID, identity), *others]
        key = b"key %d" % (number % _KEYS)
        while True:
            try:
                producer.produce(topic, value, key, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 256 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0


if __name__ == "__main__":
    main()
