"""Record batches as the router makes them: byte for byte those of aiokafka, whoever sends them."""

import struct
from collections.abc import Iterator

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.headers import UNREADABLE
from router.at_least_once import record_batch
from router.at_least_once.record_batch import Identity, RecordBatch
from router.batches import Batch
from router.record_format import field, header_fields, varint

PLACE = ("es.sub.webhook.DF1", 0)
TIME_MS = 1_700_000_000_000
HEADERS: list[tuple[str, bytes]] = [("ce_id", b"EZ1"), ("ce_subject", b""), ("es_subscription", b"DF1")]
FIRST = Identity(7, 0, 41)
SECOND = Identity(1 << 40, 3, (1 << 31) - 1)

Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]

some_bytes = st.one_of(st.none(), st.binary(max_size=300))
records = st.lists(
    st.tuples(some_bytes, some_bytes, st.lists(st.tuples(st.text(max_size=80), some_bytes), max_size=70)),
    min_size=1,
    max_size=130,
)


@pytest.fixture(autouse=True, scope="module")
def _clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_batch, "now_ms", lambda: TIME_MS)
        yield


def batch_of(*values: bytes | None) -> RecordBatch:
    batch = RecordBatch(PLACE)
    for value in values:
        batch.add_record(b"key", value, HEADERS)
    return batch


def aiokafkas(found: list[Record], identity: Identity) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, *identity, 1 << 30)
    for number, (key, value, headers) in enumerate(found):
        builder.append(number, TIME_MS, key, value, headers)
    return bytes(builder.build())


@given(records)
def test_what_is_made_is_what_aiokafka_makes(found: list[Record]) -> None:
    batch = RecordBatch(PLACE)
    for key, value, headers in found:
        batch.add(field(key) + field(value), len(headers), header_fields(headers[:1]), header_fields(headers[1:]))

    assert bytes(batch.raw(FIRST)) == aiokafkas(found, FIRST)


@given(records, st.integers(0, 4))
def test_what_was_fetched_can_be_taken_over_as_it_is(found: list[Record], compression: int) -> None:
    builder = DefaultRecordBatchBuilder(2, compression, 0, *FIRST, 1 << 30)
    for number, (key, value, headers) in enumerate(found):
        builder.append(number, TIME_MS + number * 700, key, value, headers)

    opened = Batch(bytes(builder.build())).open()
    parsed = [opened.record(at) for at, *_ in opened]

    assert [(each.key, each.value, [*each.headers]) for each in parsed] == found
    assert [each.offset for each in parsed] == [*range(len(found))]
    assert [(time_ms, count, fields, headers) for _, time_ms, count, fields, headers in opened] == [
        (each.timestamp, len(headers), field(key) + field(value), header_fields(headers))
        for each, (key, value, headers) in zip(parsed, found, strict=True)
    ]
    assert [time_ms for _, time_ms, *_ in opened] == [TIME_MS + number * 700 for number in range(len(found))]


def test_all_records_of_a_batch_that_the_broker_stamped_have_its_time() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, *FIRST, 1 << 30)
    for number in range(3):
        builder.append(number, TIME_MS + number * 700, b"k", b"v", [])
    raw = builder.build()
    struct.pack_into(">h", raw, 21, 0x08)  # attributes: LogAppendTime
    struct.pack_into(">q", raw, 35, TIME_MS + 5)  # the newest time: the broker's

    opened = Batch(bytes(raw)).open()

    assert [time_ms for _, time_ms, *_ in opened] == [TIME_MS + 5] * 3
    assert [opened.record(at).timestamp for at, *_ in opened] == [TIME_MS + 5] * 3


def test_a_record_whose_headers_cannot_be_parsed_is_opened_beside_others() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, *FIRST, 1 << 30)
    for number in range(3):
        builder.append(number, TIME_MS, b"k%d" % number, b"v", [("name", b"h")])
    raw = bytes(builder.build()).replace(b"k1\x02v\x02\x08name", b"k1\x02v\x02\x08\xff\xfeme")

    opened = Batch(raw).open()

    parsed = [opened.record(at) for at, *_ in opened]
    assert [(each.offset, each.key, each.value) for each in parsed] == [(n, b"k%d" % n, b"v") for n in range(3)]
    assert [[*each.headers] for each in parsed] == [[("name", b"h")], [(UNREADABLE, b"1")], [("name", b"h")]]


def test_a_number_that_is_written_longer_than_it_need_be_is_taken_over() -> None:
    """Kafka takes it, and its readers do."""
    raw = bytearray(aiokafkas([(b"k", b"v", [("n", b"h")]), (b"second", None, [])], FIRST))
    start = raw.index(b"\x02k\x02v\x02")
    raw[start : start + 5] = b"\x82\x00k\x82\x80\x00v\x82\x00"
    at = start - 4
    assert raw[at] == varint(len(b"\0\0\0\x02k\x02v\x02\x02n\x02h"))[0]
    raw[at] += 2 * 4

    opened = Batch(bytes(raw)).open()

    parsed = [opened.record(at) for at, *_ in opened]
    assert [(each.key, each.value) for each in parsed] == [(b"k", b"v"), (b"second", None)]
    assert [(count, headers) for *_, count, _, headers in opened] == [(1, b"\x02n\x02h"), (0, b"")]
    copies = RecordBatch(PLACE)
    for _, _, count, fields, headers in opened:
        copies.add(fields, count, headers)
    assert [(each.key, each.value, [*each.headers]) for each in copies.read()] == [
        (b"k", b"v", [("n", b"h")]),
        (b"second", None, []),
    ]


@pytest.mark.parametrize("number", [0, 63, 64, (1 << 13) - 1, 1 << 13, (1 << 14) - 1, 1 << 14, 1 << 20, (1 << 31) - 1])
def test_numbers_are_written_as_aiokafka_writes_them(number: int) -> None:
    raw = aiokafkas([(None, b"v" * number, [])], FIRST) if number <= 1 << 20 else None
    if raw is not None:
        assert varint(number) + b"v" * number in raw
    left, read = 0, 0
    for place, byte in enumerate(varint(number)):
        left |= (byte & 0x7F) << (7 * place)
        read += 1
    assert (left >> 1, read) == (number, len(varint(number)))


def test_a_batch_that_another_sends_is_as_if_that_one_had_made_it() -> None:
    batch, other = batch_of(b"one", None, b""), batch_of(b"one", None, b"")

    first = bytes(batch.raw(FIRST))
    again = bytes(batch.raw(SECOND))

    assert first != again == bytes(other.raw(SECOND))
    assert batch.identity == SECOND
    read = DefaultRecordBatch(again)
    assert read.validate_crc()
    assert (read.producer_id, read.producer_epoch, read.base_sequence) == SECOND


def test_what_was_sent_can_be_read_again() -> None:
    batch = batch_of(b"one", None)
    assert [record.value for record in batch.read()] == [b"one", None], "also before it was"
    assert batch.identity is None

    batch.raw(FIRST)

    assert [(each.key, each.value, each.headers) for each in batch.read()] == [
        (b"key", b"one", HEADERS),
        (b"key", None, HEADERS),
    ]


def test_its_halves_have_all_of_it_in_order() -> None:
    batch = batch_of(b"0", b"1", b"2", b"3", b"4")
    batch.raw(FIRST)

    first, second = batch.halves()

    assert [record.value for half in (first, second) for record in half.read()] == [b"0", b"1", b"2", b"3", b"4"]
    assert (first.records, second.records) == (2, 3)
    assert {first.place, second.place} == {PLACE}
    assert first.identity is None, "it was never sent"


def test_its_size_is_at_least_what_is_sent() -> None:
    batch = batch_of(*[b"v" * 100] * 200)

    size = batch.size

    assert len(batch.raw(FIRST)) <= size <= len(batch.raw(FIRST)) + 2 * 200
