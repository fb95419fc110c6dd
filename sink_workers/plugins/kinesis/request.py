"""Builds the requests to Kinesis. Pure, so that limits and bytes can be tested without a server."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from eventstreams.sinks import OutboundEvent
from sink_workers.plugins.aws.access import Allowed
from sink_workers.plugins.kinesis.config import PartitionKey

# PutRecords' limits. AWS takes larger records for streams that are configured for them; these hold for every stream.
MAX_RECORDS: Final = 500
MAX_RECORD_BYTES: Final = 1 << 20
MAX_REQUEST_BYTES: Final = 5 << 20
MAX_KEY_CHARACTERS: Final = 256

PUT_RECORDS: Final = "Kinesis_20131202.PutRecords"
LIST_SHARDS: Final = "Kinesis_20131202.ListShards"
CONTENT_TYPE: Final = "application/x-amz-json-1.1"

_KEYS: Final[Mapping[PartitionKey, Callable[[OutboundEvent], str]]] = {
    "event_id": lambda event: event.id,
    "account_sid": lambda event: event.account_sid,
    "event_key": lambda event: event.partition_key or event.id,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One event as a Kinesis record; ``data`` is its CloudEvents JSON."""

    data: bytes
    key: str

    @property
    def is_too_large(self) -> bool:
        """Whether it exceeds the limit, which applies to data and key together."""
        return len(self.data) + len(self.key.encode()) > MAX_RECORD_BYTES


def as_records(batch: Sequence[OutboundEvent], partition_key: PartitionKey) -> Sequence[Record]:
    """A record for each event, in order."""
    key_of = _KEYS[partition_key]
    return [Record(event.json(), _fitting(key_of(event))) for event in batch]


def allowed(arn: str) -> Allowed:
    """What the role's keys need: to write to this one stream, and to look it up."""
    return (
        (("kinesis:PutRecord", "kinesis:PutRecords"), arn),
        (("kinesis:ListShards", "kms:GenerateDataKey"), "*"),
    )


def put_records(arn: str, records: Sequence[Record]) -> bytes:
    """The body of a ``PutRecords`` request. The answer has an entry for each record, in order."""
    entries = [{"Data": base64.b64encode(each.data).decode(), "PartitionKey": each.key} for each in records]
    return orjson.dumps({"StreamARN": arn, "Records": entries})


def list_shards(arn: str) -> bytes:
    """The body of a ``ListShards`` request that shows whether the stream exists."""
    return orjson.dumps({"StreamARN": arn, "MaxResults": 1})


def _fitting(key: str) -> str:
    """``key``, or its hash if Kinesis would refuse it: the same key still goes to the same shard."""
    return key if 0 < len(key) <= MAX_KEY_CHARACTERS else hashlib.sha256(key.encode()).hexdigest()
