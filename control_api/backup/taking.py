"""Reads all current records of the control topic. Changes nothing, and works without a running API."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from control_api.backup.document import BackupError, Entry
from eventstreams.control.feed import BEHIND_KEY, PRIMARY_KEY
from eventstreams.control.records import ControlRecordError, Resource, decode, encode, sid_of
from eventstreams.control.reseal import resealed
from eventstreams.control.vault import Vault
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.ranges import RangeReader
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.topics import Topics

_BATCH: Final = 1000
_SILENT_S: Final = 30.0  # without a record although there are more: the broker is down


@dataclass(frozen=True, slots=True)
class Taken:
    """The records at one point in time. ``unread``: a sentence for each record that this release cannot read."""

    entries: Sequence[Entry]
    unread: Sequence[str]


async def take(settings: Settings) -> Taken:
    """Read the control topic as of this call: it includes every write that was answered before.

    Raises:
        BrokerUnreachableError: no broker answers.
        TopicError: Kafka does not let us read.
        BackupError: there is no control topic, or its broker stopped answering.
    """
    admin, topic = KafkaAdmin(settings), Topics(settings).control
    await admin.wait_for_broker()
    # Up to the first open transaction: its write was not answered yet, and reading on would wait for its end.
    ranges = await admin.ranges([topic], committed=True)
    if not ranges:
        raise BackupError(
            f"there is no topic {topic} at {settings.kafka}: set EVENTSTREAMS_KAFKA and "
            "EVENTSTREAMS_TOPIC_PREFIX as the API has them"
        )
    newest: dict[bytes | None, Record] = {}
    async with RangeReader(settings, ranges) as reader:
        while not reader.ended:
            try:
                async with asyncio.timeout(_SILENT_S):
                    while not (records := await reader.read(_BATCH)) and not reader.ended:
                        pass  # each read waits a moment
            except TimeoutError:
                raise BackupError(f"the broker of {topic} did not answer for {_SILENT_S:g} s: try again") from None
            newest.update((each.key, each) for each in records)
    return _taken(record for key, record in newest.items() if key not in {PRIMARY_KEY, BEHIND_KEY})


def reseal(entries: Sequence[Entry], vault: Vault) -> Sequence[Entry]:
    """``entries`` with all secrets encrypted with the first key; raises ``SettingsError`` if no key decrypts one."""
    return [
        Entry(each.sid, each.written_ms, {**each.value, **orjson.loads(encode(resealed(_resource(each), vault)))})
        for each in entries
    ]


def _resource(entry: Entry) -> Resource:
    return decode(entry.sid, orjson.dumps(entry.value))


def _taken(records: Iterable[Record]) -> Taken:
    entries, unread = [], []
    for record in records:
        if not record.value:
            continue  # it was removed
        try:
            sid = sid_of(record.key)
            _ = decode(sid, record.value)
        except ControlRecordError as error:
            unread.append(f"the record at offset {record.offset} is not in the file: {error}")
        else:
            entries.append(Entry(sid, record.timestamp_ms, orjson.loads(record.value)))
    return Taken(entries, unread)
