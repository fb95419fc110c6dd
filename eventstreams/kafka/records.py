"""A Kafka record as the rest of the project sees it."""

from dataclasses import dataclass
from typing import NamedTuple, cast

from confluent_kafka import Message

from eventstreams.headers import Headers


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record. ``timestamp_ms`` is the broker's (our topics use ``LogAppendTime``)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp_ms: int

    @property
    def origin(self) -> str:
        """``topic/partition/offset``, as ``es_origin`` carries it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def to_record(message: Message) -> Record:
    """``message``, which must not be an error. A header or value of null becomes an empty one."""
    headers = cast("list[tuple[str, bytes | None]] | None", message.headers())  # the stub also allows what is sent
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(
        topic,
        partition,
        offset,
        message.key(),
        message.value() or b"",
        [(name, value or b"") for name, value in headers] if headers else [],
        message.timestamp()[1],
    )
