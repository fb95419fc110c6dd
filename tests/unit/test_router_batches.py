"""Record batches as they were fetched: read one by one, as often as it takes, whatever is in their headers."""

import google_crc32c
import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from typing_extensions import override

from eventstreams.headers import UNREADABLE
from router import crc
from router.batches import Batch, Batches


class _NotUtf8(str):
    """A header's name that no client of ours would write."""

    __slots__ = ()

    @override
    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfe"


def batch(*odd: int, count: int = 5, compression: int = 0) -> bytes:
    """Record ``n`` has the key ``n``; those of ``odd`` a header whose name is not UTF-8."""
    builder = _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=compression,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for number in range(count):
        name = _NotUtf8("?") if number in odd else f"name {number}"
        builder.append(number, 1000, b"%d" % number, b"value" * 100, [("a", b"1"), (name, b"2")])
    return bytes(builder.build())


def test_what_was_fetched_is_its_whole_batches() -> None:
    raw = batch() + batch(count=3) + batch()[:-1]

    found = Batches(raw)
    lengths = []
    while found.has_next():
        lengths.append(len(found.next_batch()))

    assert lengths == [5, 3]
    assert found.size_in_bytes() == len(raw)


def test_a_batch_can_be_read_again() -> None:
    found = Batch(batch())

    for _ in range(2):
        assert [record.key for record in found.records()] == [b"0", b"1", b"2", b"3", b"4"]
    assert found.offset == 4


@pytest.mark.parametrize("compression", [0, 1], ids=["plain", "gzip"])
@pytest.mark.parametrize("odd", [(0,), (2,), (4,), (1, 2), (0, 1, 2, 3, 4)])
def test_a_header_whose_name_is_not_utf_8_costs_the_headers_of_its_own_record(
    odd: tuple[int, ...], compression: int
) -> None:
    records = list(Batch(batch(*odd, compression=compression)).records())

    assert [record.offset for record in records] == [0, 1, 2, 3, 4]
    assert [record.key for record in records] == [b"0", b"1", b"2", b"3", b"4"]
    assert all(record.value == b"value" * 100 for record in records)
    for number, record in enumerate(records):
        assert (UNREADABLE in dict(record.headers)) == (number in odd)


def test_the_crc_is_checked() -> None:
    raw = bytearray(batch())
    assert Batch(bytes(raw)).validate_crc()

    raw[-1] ^= 1

    assert not Batch(bytes(raw)).validate_crc()


@pytest.mark.parametrize("is_compiled", [True, False], ids=["by the processor", "without a wheel"])
@pytest.mark.parametrize("size", [0, 9, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 200_000])
def test_the_crc_of_many_parts_is_that_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, size: int, *, is_compiled: bool
) -> None:
    monkeypatch.setattr(crc, "_IS_COMPILED", is_compiled)
    raw = (b"123456789" * (size // 9 + 1))[:size]

    assert crc.crc32c(raw) == crc.crc32c(memoryview(raw)) == google_crc32c.value(raw)
    assert crc.crc32c(b"123456789") == 0xE3069283  # what the CRC's catalogue says of it


def test_a_bit_that_fell_over_in_any_part_of_a_large_batch_is_seen() -> None:
    raw = bytearray(batch(count=400))
    assert len(raw) > 3 << 16

    for at in (21, 70_000, 140_000, len(raw) - 1):
        raw[at] ^= 4
        assert not Batch(bytes(raw)).validate_crc()
        raw[at] ^= 4
    assert Batch(bytes(raw)).validate_crc()
