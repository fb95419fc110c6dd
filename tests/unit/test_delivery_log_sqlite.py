"""The SQLite store's file: replaced when it is not ours, noticed when it is bad, one process's alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from control_api.delivery_log.places import place, unplace
from control_api.delivery_log.sqlite_writer import SqliteWriter
from control_api.delivery_log.store import StoreDamagedError, StoreUnavailableError
from tests.support.delivery_log import DAY, HERE, MIB, NewStore, Store, logged
from tests.support.entries import make_entry


@pytest.fixture
def new(new_sqlite: NewStore) -> NewStore:
    return new_sqlite


@pytest.fixture
def store(new: NewStore) -> Store:
    store = new()
    store.writer.open(HERE)
    return store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "state" / "log.db"


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"no database at all", id="another kind of file"), pytest.param(b"", id="empty")],
)
def test_a_file_that_is_none_of_ours_is_replaced(new: NewStore, content: bytes, file: Path) -> None:
    store = new()
    file.parent.mkdir()
    file.write_bytes(content)

    assert store.writer.open(HERE) == {}
    store.write(logged(make_entry(), 0))
    assert store.ids() == ["EZ1"]


@pytest.mark.parametrize(
    "change",
    [
        "pragma user_version = 2",
        "pragma user_version = 99",
        "pragma application_id = 7",
        "drop table about",
        "delete from about",
    ],
)
def test_a_file_of_another_release_is_replaced(new: NewStore, change: str, file: Path) -> None:
    store = new()
    store.writer.open(HERE)
    store.write(logged(make_entry(), 0), next_offset=1)
    store.close()
    other = sqlite3.connect(file)
    other.execute(change)
    other.commit()
    other.close()

    assert new().writer.open(HERE) == {}


def test_a_damaged_file_is_noticed_thrown_away_and_begun_anew(new: NewStore, file: Path) -> None:
    store = new()
    store.writer.open(HERE)
    store.write(*(logged(make_entry(event_id=f"EZ{n}"), n) for n in range(2000)), next_offset=2000)
    store.close()
    damaged = bytearray(file.read_bytes())
    damaged[8192:] = b"\xa5" * (len(damaged) - 8192)
    file.write_bytes(damaged)
    again = new()

    def go_on() -> None:
        again.writer.open(HERE)
        again.write(*(logged(make_entry(event_id=f"EZ{n}"), n) for n in range(2000, 4000)))

    with pytest.raises(StoreDamagedError):
        go_on()
    with pytest.raises(StoreDamagedError):
        again.found()
    again.writer.discard()

    assert again.writer.open(HERE) == {}
    again.write(logged(make_entry(), 0))
    assert again.ids() == ["EZ1"]


@pytest.mark.parametrize("more", [b"\xa5", b"7", b"[1, 2]", b'{"a": 1}'])
def test_an_entry_that_is_damaged_is_noticed(store: Store, file: Path, more: bytes) -> None:
    store.write(logged(make_entry(), 0))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("update entry_1 set more = ?", (more,))

    with pytest.raises(StoreDamagedError, match="an entry of segment 1 makes no sense"):
        store.found()


def test_a_file_that_is_removed_meanwhile_is_noticed(store: Store, file: Path) -> None:
    store.write(logged(make_entry(), 0), next_offset=1)
    assert store.ids() == ["EZ1"]

    file.unlink()

    with pytest.raises(StoreUnavailableError):
        store.found()
    with pytest.raises(StoreDamagedError, match="was removed"):
        store.write(logged(make_entry(), 1), next_offset=2)
    store.writer.discard()
    assert store.writer.open(HERE) == {}
    assert store.ids() == []


def test_two_processes_do_not_write_one_file(store: Store, new: NewStore) -> None:
    second = new()

    with pytest.raises(StoreUnavailableError, match="in use by another process"):
        second.writer.open(HERE)
    store.close()
    second.writer.open(HERE)


def test_a_file_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "log.db").mkdir()
    writer = SqliteWriter(tmp_path / "log.db", retention=DAY, max_bytes=MIB)

    with pytest.raises(StoreUnavailableError, match=r"log\.db cannot be written: Is a directory"):
        writer.open(HERE)
    writer.close()


def test_only_its_owner_may_read_the_file(store: Store, file: Path) -> None:
    store.write(logged(make_entry(), 0))

    assert {file.stat().st_mode & 0o077 for file in file.parent.glob("log.db*") if file.suffix != ".lock"} == {0}


def test_a_place_sorts_as_its_parts_do_and_fits_sqlite() -> None:
    places = [(0, 0, 0), (0, 0, 4095), (0, 1, 0), (0, 2**41 - 1, 0), (1, 0, 0), (999, 2**41 - 1, 4095)]

    numbers = [place(*each) for each in places]

    assert numbers == sorted(numbers)
    assert numbers[-1] < 2**63
    assert [unplace(number) for number in numbers] == places
