"""A Kafka record as the rest of the project sees it."""

from dataclasses import dataclass
from operator import methodcaller
from typing import Final, NamedTuple, cast

from confluent_kafka import Message

from eventstreams.headers import UNREADABLE, Headers


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
    """``message``, which must not be an error. A header or value of null becomes an empty one.

    Where a header's name is not UTF-8 the client can read none of them: then ``UNREADABLE`` is its only header.
    """
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
        _headers(message),
        message.timestamp()[1],
    )


# Where a name is not UTF-8 the client returns a list with holes, and an exception beside it. Called as a method in code
# that is hot, Python 3.11 and newer trust it not to, and the process ends with a segmentation fault over the hole;
# called through this, the two are always compared.
_call_headers: Final = methodcaller("headers")


def _headers(message: Message) -> Headers:
    try:
        headers = cast("list[tuple[str, bytes | None]] | None", _call_headers(message))
    except (SystemError, UnicodeDecodeError):  # the client's own ways to say that a name is not UTF-8
        return [(UNREADABLE, b"1")]
    return [(name, value or b"") for name, value in headers] if headers else []
