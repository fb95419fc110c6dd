"""Rows of the SQLite store: an entry is read as it was written, and few pages are written for many of them."""

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_api.delivery_log.places import unplace
from control_api.delivery_log.segments import Bounds, Segment
from control_api.delivery_log.sqlite_rows import SegmentRows, read_entry
from control_api.delivery_log.sqlite_schema import PARTS
from control_api.delivery_log.store import LoggedEntry
from eventstreams.attempts import Entry, EntryKind
from tests.support.delivery_log import DAY, HERE, MIB, NewStore, logged, make_event
from tests.support.entries import ACCOUNT, NOW_MS, make_entry

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
_TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=30)
_PLACES = _TOPICS | st.builds("{}/{}/{}".format, _TOPICS, st.integers(0, 999), st.integers(0, 2**40))
_NUMBERS = st.integers(0, 2**63 - 1)


@given(
    st.lists(
        st.builds(
            Entry,
            kind=st.sampled_from(list(EntryKind)).map(str),
            at_ms=_NUMBERS,
            event_id=_TEXTS,
            event_type=_TEXTS,
            account_sid=_TEXTS,
            subscription_sid=_TEXTS,
            sink_sid=st.none() | _TEXTS,
            sink_type=_TEXTS,
            attempt=_NUMBERS,
            duration_ms=st.none() | _NUMBERS,
            accepted_ms=st.none() | _NUMBERS,
            deadline_ms=st.none() | _NUMBERS,
            origin=_PLACES,
            rests_at=st.none() | _PLACES,
            next_at_ms=st.none() | _NUMBERS,
            reason=st.none() | _TEXTS,
            code=st.none() | _NUMBERS,
            status=st.none() | _NUMBERS,
            detail=st.none() | _TEXTS,
            answer=st.none() | _TEXTS,
        ),
        max_size=5,
    )
)
def test_an_entry_is_read_as_it_was_written(written: Sequence[Entry]) -> None:
    rows, names = SegmentRows(), dict[int, str]()
    found = []
    for number, entry in enumerate(written):
        _, at_ms, place, account, kind, _, event, type_, subscription, sink, reason, more = rows.entry(
            LoggedEntry(3, 41, number, entry), 0
        )
        names.update(rows.new_names())
        row = at_ms, place, account, kind, event, type_, subscription, sink, reason, more
        found.append(read_entry(row, names.__getitem__))
        assert unplace(place) == (3, 41, number)

    assert found == [LoggedEntry(3, 41, number, entry) for number, entry in enumerate(written)]


@pytest.mark.parametrize("size", [0, 1, MIB // 2, MIB - 1, MIB, 3 * MIB])
def test_a_segment_is_filled_part_by_part(size: int) -> None:
    bounds = Bounds.of(DAY, 32 * MIB)  # a segment is to have 1 MiB

    part = bounds.part(Segment(1, NOW_MS, bytes=size), PARTS)

    assert part == min(size * PARTS // MIB, PARTS - 1)


def test_an_event_is_found_by_its_id_in_whichever_part_it_is(new_sqlite: NewStore) -> None:
    store = new_sqlite(max_bytes=32 * MIB)
    store.writer.open(HERE)
    count = 3000
    for first in range(0, count, 50):
        numbers = range(first, first + 50)
        entries = [make_entry(event_id=f"EZ{n}", at_ms=NOW_MS + n) for n in numbers]
        store.writer.write(
            [make_event(f"EZ{n}", accepted_ms=NOW_MS + n, offset=n) for n in numbers],
            [logged(each, n) for n, each in zip(numbers, entries, strict=True)],
            {},
            now_ms=NOW_MS,
        )

    wanted = [f"EZ{n}" for n in range(0, count, 25)]
    assert [event.id for id_ in wanted if (event := store.reader.event([ACCOUNT], id_))] == wanted
    assert [id_ for each in wanted for id_ in store.ids(event_id=each)] == wanted
    assert {each.event_id for each in store.reader.last_kinds(ACCOUNT, wanted, NOW_MS)} == set(wanted)


@pytest.fixture
def count_bytes(tmp_path: Path) -> Callable[[], int]:
    """How much was written since the last time, in whole pages."""
    file = tmp_path / "state" / "log.db"

    def count() -> int:
        with closing(sqlite3.connect(file)) as database:
            written: int = database.execute("pragma wal_checkpoint(passive)").fetchone()[1]
            database.execute("pragma wal_checkpoint(truncate)")
            size: int = database.execute("pragma page_size").fetchone()[0]
        return written * size

    return count


def test_what_has_random_ids_is_not_written_all_over_its_index(
    new_sqlite: NewStore, count_bytes: Callable[[], int]
) -> None:
    store, chance = new_sqlite(max_bytes=512 * MIB), random.Random(1)
    store.writer.open(HERE)

    def write(first: int, count: int) -> None:
        ids = [(n, f"EZ{chance.getrandbits(128):032x}") for n in range(first, first + count)]
        store.writer.write(
            [make_event(id_, accepted_ms=NOW_MS + n, offset=n) for n, id_ in ids],
            [logged(make_entry(event_id=id_, at_ms=NOW_MS + n), n) for n, id_ in ids],
            {},
            now_ms=NOW_MS,
        )

    for first in range(0, 20_000, 1_000):
        write(first, 1_000)
    count_bytes()
    write(20_000, 500)

    assert count_bytes() < MIB  # of rows 200 KiB; a page for each id, in two indexes, would be 3 MiB
