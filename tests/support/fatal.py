"""Makes a producer fail for good, as librdkafka does when it no longer knows what the broker has."""

import ctypes
from importlib.metadata import files
from typing import Final

from confluent_kafka import KafkaError, Producer

_HANDLE_AT: Final = object.__basicsize__  # a client object of confluent-kafka begins with its librdkafka handle


def give_up(producer: Producer) -> None:
    """Raise a fatal error in ``producer``, with librdkafka's own function for such tests."""
    handle = ctypes.c_void_p.from_address(id(producer) + _HANDLE_AT)
    answer = _librdkafka().rd_kafka_test_fatal_error(
        handle, int(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER), b"of the test"
    )
    assert answer == 0


def _librdkafka() -> ctypes.CDLL:
    [library] = [file for file in files("confluent-kafka") or () if file.name.startswith("librdkafka-")]
    return ctypes.CDLL(str(library.locate()))
