"""Record batches as the router makes them: what it writes is what Kafka's readers find, whoever sends it."""

from collections.abc import Iterable

import pytest
from aiokafka.record.default_records import DefaultRecordBatch

from router.at_least_once import record_batch
from router.at_least_once.record_batch import Identity, RecordBatch, begin

PLACE = ("es.sub.webhook.DF1", 0)
HEADERS = [("ce_id", b"EZ1"), ("ce_subject", b""), ("es_subscription", b"DF1")]
FIRST = Identity(7, 0, 41)
SECOND = Identity(1 << 40, 3, (1 << 31) - 1)


def batch_of(values: Iterable[bytes | None]) -> RecordBatch:
    write, number, builder = begin()
    for value in values:
        assert write(number(), 1_700_000_000_000, b"key", value, HEADERS) is not None
    return RecordBatch(PLACE, builder, number())


def test_a_batch_that_another_sends_is_as_if_that_one_had_made_it() -> None:
    batch, other = batch_of([b"one", None, b""]), batch_of([b"one", None, b""])

    first = bytes(batch.raw(FIRST))
    again = bytes(batch.raw(SECOND))

    assert first != again == bytes(other.raw(SECOND))
    assert batch.identity == SECOND
    read = DefaultRecordBatch(again)
    assert read.validate_crc()
    assert (read.producer_id, read.producer_epoch, read.base_sequence) == SECOND


def test_what_was_sent_can_be_read_again() -> None:
    batch = batch_of([b"one", None])
    assert [record.value for record in batch.read()] == [b"one", None], "also before it was"

    batch.raw(FIRST)

    assert [(each.key, each.value, each.headers) for each in batch.read()] == [
        (b"key", b"one", HEADERS),
        (b"key", None, HEADERS),
    ]


def test_its_halves_have_all_of_it_in_order() -> None:
    batch = batch_of([b"0", b"1", b"2", b"3", b"4"])
    batch.raw(FIRST)

    first, second = batch.halves()

    assert [record.value for half in (first, second) for record in half.read()] == [b"0", b"1", b"2", b"3", b"4"]
    assert (first.records, second.records) == (2, 3)
    assert {first.place, second.place} == {PLACE}
    assert first.identity is None, "it was never sent"


def test_a_batch_takes_what_it_has_room_for_and_one_record_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batch, "BATCH_BYTES", 1_000)
    write, number, builder = begin()

    assert write(number(), 0, None, b"v" * 2_000, []) is not None
    assert write(number(), 0, None, b"", []) is None

    batch = RecordBatch(PLACE, builder, number() - 1)
    assert [len(each.value or b"") for each in batch.read()] == [2_000]
    assert (batch.records, batch.size) == (1, len(batch.raw(FIRST)))
