"""Reads events straight from Kafka, with the schemas of a schema registry. Nothing of Event Streams is needed.

    pip install confluent-kafka fastavro
    python consumer.py --kafka 127.0.0.1:9092 --registry http://127.0.0.1:8081

The value is plain Avro, without a registry's five bytes before it: ``ce_dataschema`` names its schema instead. Its last
two parts are the registry's subject and version.
"""

import argparse
import base64
import functools
import io
import json
import os
import urllib.parse
import urllib.request

from confluent_kafka import Consumer
from fastavro import parse_schema, schemaless_reader
from fastavro.types import Schema


@functools.cache
def schema_of(registry: str, dataschema: str) -> Schema:
    """Return the schema that, say, ``…/Messaging.MessageStatus/8`` names: version 8 of that subject.

    Cached: versions never change.
    """
    _, subject, version = dataschema.rsplit("/", 2)
    request = urllib.request.Request(f"{registry}/subjects/{urllib.parse.quote(subject, safe='')}/versions/{version}")
    if auth := os.environ.get("REGISTRY_AUTH"):  # user:password
        request.add_header("Authorization", f"Basic {base64.b64encode(auth.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return parse_schema(json.loads(json.load(answer)["schema"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", default="127.0.0.1:9092")
    parser.add_argument("--registry", default="http://127.0.0.1:8081")
    parser.add_argument("--topic", default="es.events")
    parser.add_argument("--group", default="events-reader")
    parser.add_argument("--count", type=int, help="exit after this many events")
    options = parser.parse_args()
    consumer = Consumer(
        {"bootstrap.servers": options.kafka, "group.id": options.group, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([options.topic])
    read = 0
    try:
        while options.count is None or read < options.count:
            record = consumer.poll(1.0)
            if record is None:
                continue
            if (error := record.error()) is not None:
                print(error)
                continue
            headers = {
                name: value.decode() for name, value in dict(record.headers() or ()).items() if isinstance(value, bytes)
            }
            schema = schema_of(options.registry, headers["ce_dataschema"])
            data = schemaless_reader(io.BytesIO(record.value() or b""), schema, None)
            print(json.dumps({"id": headers["ce_id"], "type": headers["ce_type"], "data": data}), flush=True)
            read += 1
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
