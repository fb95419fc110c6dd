"""Kafka's Produce request and response, encoded and decoded at little cost. No I/O.

aiokafka's encoder copies the bytes of all batches at each level of its schema, six times, and its decoder reads a
response field by field, which with thousands of topics takes as long as everything else. Here the bytes are joined
once. Version 7 of the request, which every broker since Kafka 2.1 supports.
"""

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final

from aiokafka.protocol.api import Request
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7

from router.at_least_once.record_batch import Place

_ALL_REPLICAS: Final = -1
_NO_TRANSACTION: Final = -1

_HEAD: Final = struct.Struct(">hhii")  # transactional id, acks, timeout in ms, number of topics
_SHORT: Final = struct.Struct(">h")
_INT: Final = struct.Struct(">i")
_PAIR: Final = struct.Struct(">ii")
_TAKEN: Final = struct.Struct(">ihqqq")  # partition, error code, base offset, log append time, log start offset

Batches = Mapping[str, Sequence[tuple[int, bytearray]]]
"""Topic → (partition, record batch) pairs."""


class Answer(ProduceResponse_v7):  # type: ignore[misc]  # aiokafka's types are not exported
    """The Produce response; ``codes`` has the error code for each batch, 0 if the broker has stored it."""

    codes: Mapping[Place, int]

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> "Answer":
        raw = data.read() if isinstance(data, BytesIO) else data
        codes: dict[Place, int] = {}
        (topics,) = _INT.unpack_from(raw)
        at = _INT.size
        for _ in range(topics):
            (length,) = _SHORT.unpack_from(raw, at)
            at += _SHORT.size
            topic = raw[at : at + length].decode()
            at += length
            (partitions,) = _INT.unpack_from(raw, at)
            at += _INT.size
            for _ in range(partitions):
                partition, code, *_ = _TAKEN.unpack_from(raw, at)
                codes[topic, partition] = code
                at += _TAKEN.size
        answer = cls()
        answer.codes = codes
        return answer


class _Encoded(ProduceRequest_v7):  # type: ignore[misc]
    RESPONSE_TYPE = Answer

    def encode(self) -> bytes:
        found: Batches = self.topics
        parts: list[bytes | bytearray] = [_HEAD.pack(_NO_TRANSACTION, self.required_acks, self.timeout, len(found))]
        for topic, batches in found.items():
            name = topic.encode()
            parts += (_SHORT.pack(len(name)), name, _INT.pack(len(batches)))
            for partition, raw in batches:
                parts += (_PAIR.pack(partition, len(raw)), raw)
        return b"".join(parts)


class Produce(Request[_Encoded]):  # type: ignore[misc]
    """Produces ``batches`` with acks=all; after ``timeout_ms`` the broker reports those that in-sync replicas lack."""

    API_KEY = ProduceRequest_v7.API_KEY

    def __init__(self, batches: Batches, *, timeout_ms: int) -> None:
        self.batches = batches
        self._timeout_ms = timeout_ms

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class(None, _ALL_REPLICAS, self._timeout_ms, self.batches)
