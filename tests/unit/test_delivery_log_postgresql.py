"""The PostgreSQL store: shared by many and written by one, gone for a while and back, beside what is not ours."""

import shlex
import sys
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from control_api.delivery_log.postgresql_address import Address, schema_of
from control_api.delivery_log.postgresql_reader import PostgresqlReader
from control_api.delivery_log.postgresql_writer import PostgresqlWriter
from control_api.delivery_log.store import (
    EntryQuery,
    Lag,
    StoreDamagedError,
    StoreTakenError,
    StoreUnavailableError,
)
from control_api.delivery_log.stores import make_stores
from eventstreams.errors import SettingsError
from eventstreams.settings import Settings
from eventstreams.times import now_ms
from tests.support.delivery_log import ATTEMPTS, DAY, DAY_MS, HERE, MIB, NewStore, Store, logged, make_event
from tests.support.entries import ACCOUNT, NOW_MS, make_entry
from tests.support.page import blocks_of
from tests.support.postgresql import PASSWORD, RunningPostgresql, running_postgresql
from tests.support.snippet_kinds import ROOT

Database = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def new(new_postgresql: NewStore) -> NewStore:
    return new_postgresql


@pytest.fixture
def store(new: NewStore) -> Store:
    store = new()
    store.writer.open(HERE)
    return store


@pytest.fixture
def database(postgresql: str) -> Iterator[Database]:
    """Somebody else's view of the database."""
    with psycopg.connect(postgresql, autocommit=True) as database:
        yield database


@pytest.fixture(scope="module")
def server() -> Iterator[RunningPostgresql]:
    """A server that a test may stop."""
    with running_postgresql() as server:
        yield server


def test_the_setting_that_docs_delivery_log_md_shows_names_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    [shown] = [each.text for each in blocks_of(ROOT / "docs/delivery-log.md") if "postgresql://" in each.text]
    [line] = shlex.split(shown)
    monkeypatch.setenv(*line.split("=", 1))

    setting = Settings.load().delivery_log

    assert setting is not None
    assert str(Address(setting.get_secret_value(), topic_prefix="es.")) == "PostgreSQL at db.example.com"


def test_one_process_writes_and_the_others_read(store: Store, new: NewStore) -> None:
    second = new()
    store.write(logged(make_entry(), 0), next_offset=1)

    with pytest.raises(StoreTakenError, match="another process writes the delivery log in PostgreSQL at"):
        second.writer.open(HERE)
    assert second.ids() == ["EZ1"]


def test_the_next_takes_over_where_the_one_that_wrote_ended(store: Store, new: NewStore) -> None:
    second = new()
    store.write(logged(make_entry(), 0), next_offset=1)
    with pytest.raises(StoreTakenError):
        second.writer.open(HERE)

    store.writer.close()

    assert second.writer.open(HERE) == {ATTEMPTS: 1}
    second.write(logged(make_entry(event_id="EZ2", at_ms=NOW_MS + 1), 1), next_offset=2)
    assert store.ids() == ["EZ2", "EZ1"]


def test_one_that_lost_its_connection_writes_nothing_after_the_next_took_over(
    store: Store, new: NewStore, database: Database
) -> None:
    second = new()
    store.write(logged(make_entry(), 0), next_offset=1)

    assert isinstance(store.writer, PostgresqlWriter)
    assert store.writer._connection is not None
    database.execute("select pg_terminate_backend(%s, 10000)", (store.writer._connection.info.backend_pid,))

    assert second.writer.open(HERE) == {ATTEMPTS: 1}
    with pytest.raises(StoreUnavailableError):
        store.write(logged(make_entry(event_id="EZ2"), 1), next_offset=2)
    with pytest.raises(StoreTakenError):
        store.writer.open(HERE)
    assert second.ids() == ["EZ1"]


def test_those_that_read_hear_how_far_the_log_is_behind(store: Store, new: NewStore) -> None:
    second = new()
    with pytest.raises(StoreTakenError):
        second.writer.open(HERE)
    assert second.writer.heard(now_ms=NOW_MS) is None

    store.writer.tell(Lag(3, NOW_MS - 1500, 1.0))
    assert second.writer.heard(now_ms=NOW_MS) == Lag(3, NOW_MS - 1500, 1.5)

    store.writer.tell(Lag(0, NOW_MS, 0.0))
    assert second.writer.heard(now_ms=NOW_MS + 400) == Lag(0, NOW_MS, 0.0)

    store.writer.tell(Lag(7, None, None))
    assert second.writer.heard(now_ms=NOW_MS) == Lag(7, None, None)


def test_what_was_told_long_ago_counts_for_nothing(store: Store, address: Address, database: Database) -> None:
    store.writer.tell(Lag(0, NOW_MS, 0.0))

    database.execute(f"update {address.schema}.told set at = at - interval '1 minute'")

    assert store.writer.heard(now_ms=NOW_MS) is None


@pytest.mark.parametrize(
    "change",
    [
        "update @.about set version = 99",
        "delete from @.about",
        "drop table @.about",
        "alter table @.about drop column version",
        "drop table @.entry, @.event, @.about, @.told, @.position, @.segment; drop schema @",
    ],
)
def test_the_log_of_another_release_is_replaced(
    new: NewStore, address: Address, database: Database, change: str
) -> None:
    store = new()
    store.writer.open(HERE)
    store.write(logged(make_entry(), 0), next_offset=1)
    store.close()
    database.execute(change.replace("@", address.schema))

    again = new()

    assert again.writer.open(HERE) == {}
    again.write(logged(make_entry(event_id="EZ2"), 0))
    assert again.ids() == ["EZ2"]


def test_nobody_reads_what_another_release_wrote(new: NewStore, address: Address, database: Database) -> None:
    store = new()
    store.writer.open(HERE)
    database.execute(f"update {address.schema}.about set version = 99")

    with pytest.raises(StoreUnavailableError, match="belongs to another release"):
        store.found()


@pytest.mark.parametrize(
    "change", ["drop table @.entry", "drop table @.event", "drop table @.position", "drop schema @ cascade"]
)
def test_a_log_that_is_removed_meanwhile_is_noticed(
    store: Store, address: Address, database: Database, change: str
) -> None:
    store.write(logged(make_entry(), 0), next_offset=1)
    database.execute(change.replace("@", address.schema))

    with pytest.raises(StoreDamagedError, match="lost part of the delivery log"):
        store.write(logged(make_entry(), 1), next_offset=2)
    store.writer.discard()

    assert store.writer.open(HERE) == {}
    store.write(logged(make_entry(event_id="EZ2"), 0))
    assert store.ids() == ["EZ2"]


def test_one_that_only_reads_waits_for_tables_that_are_missing(new: NewStore) -> None:
    with pytest.raises(StoreUnavailableError, match="has no delivery log of this release"):
        new().reader.event([ACCOUNT], "EZ1")


def test_nothing_else_in_the_database_is_touched(new: NewStore, address: Address, database: Database) -> None:
    theirs = f"{address.schema}_theirs"
    database.execute(
        f"create schema {theirs}; create table {theirs}.entry (at int); insert into {theirs}.entry values (1); "
        f"create schema {address.schema}; create table {address.schema}.notes (text text)"
    )
    try:
        store = new(max_bytes=8 * MIB)
        store.writer.open(HERE)
        store.write(*(logged(make_entry(event_id=f"EZ{n}"), n) for n in range(5000)))
        store.writer.discard()
        store.writer.open("another/es.")
        store.write(logged(make_entry(), 0))

        assert database.execute(f"select at from {theirs}.entry").fetchall() == [(1,)]
        assert database.execute(f"select count(*) from {address.schema}.notes").fetchall() == [(0,)]
    finally:
        database.execute(f"drop schema {theirs} cascade")


def test_a_view_of_somebody_elses_is_not_thrown_away_with_the_log(
    store: Store, address: Address, database: Database
) -> None:
    store.write(logged(make_entry(), 0), next_offset=1)
    database.execute(f"create view {address.schema}_view as select at from {address.schema}.entry")
    try:
        store.writer.discard()

        with pytest.raises(StoreUnavailableError, match="other objects depend on them"):
            store.writer.open(HERE)
        assert database.execute(f"select at from {address.schema}_view").fetchall() == [(NOW_MS,)]
    finally:
        database.execute(f"drop view {address.schema}_view")
    assert store.writer.open(HERE) == {}


def test_a_role_that_may_do_nothing_but_use_its_schema_is_enough(
    postgresql: str, address: Address, database: Database
) -> None:
    role = address.schema
    database.execute(f"create role {role} login password 'x'; create schema {role} authorization {role}")
    try:
        parts = conninfo_to_dict(postgresql)
        dsn = f"postgresql://{role}:x@{parts['host']}:{parts['port']}/{parts['dbname']}"
        theirs = Address(dsn, topic_prefix=f"{role.removeprefix('eventstreams_')}.")
        writer = PostgresqlWriter(theirs, retention=DAY, max_bytes=64 * MIB)

        assert writer.open(HERE) == {}
        writer.write((make_event(),), (), {}, now_ms=NOW_MS)
        writer.close()
    finally:
        database.execute(f"drop owned by {role} cascade; drop role {role}")


def test_somebody_who_reads_for_long_does_not_stop_the_log(new: NewStore, address: Address, database: Database) -> None:
    store = new(retention=32 * DAY)
    store.writer.open(HERE)
    store.write(logged(make_entry(), 0))
    later_ms = NOW_MS + 40 * DAY_MS

    with database.transaction():
        database.execute(f"select count(*) from {address.schema}.entry")
        store.writer.write((), (logged(make_entry(event_id="EZ2", at_ms=later_ms), 1),), {}, now_ms=later_ms)
        store.clock.now_ms = later_ms
        assert store.ids() == ["EZ2"]
        assert store.count_segments() == 2

    store.writer.write((), (), {}, now_ms=later_ms)
    assert store.count_segments() == 1


def test_a_database_in_another_encoding_is_refused(postgresql: str, address: Address, database: Database) -> None:
    name = f"{address.schema}_latin1"
    database.execute(f"create database {name} encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'")
    try:
        dsn = f"{postgresql.rpartition('/')[0]}/{name}"
        writer = PostgresqlWriter(Address(dsn, topic_prefix="es."), retention=DAY, max_bytes=MIB)

        with pytest.raises(StoreUnavailableError, match="is in LATIN1: it must be UTF8"):
            writer.open(HERE)
        writer.close()
    finally:
        database.execute(f"drop database {name} with (force)")


def test_a_server_that_goes_and_comes_back_is_used_again(server: RunningPostgresql) -> None:
    address = Address(server.dsn, topic_prefix="es.")
    writer = PostgresqlWriter(address, retention=DAY, max_bytes=64 * MIB)
    reader = PostgresqlReader(address, retention_ms=DAY_MS, clock=lambda: NOW_MS)
    everything = EntryQuery(account_sid=ACCOUNT, limit=10)
    writer.open(HERE)
    writer.write((), (logged(make_entry(), 0),), {ATTEMPTS: 1}, now_ms=NOW_MS)
    assert len(reader.entries(everything)) == 1

    server.stop()

    with pytest.raises(StoreUnavailableError):
        writer.write((), (logged(make_entry(), 1),), {ATTEMPTS: 2}, now_ms=NOW_MS)
    for ask in (lambda: writer.open(HERE), lambda: reader.entries(everything)):
        with pytest.raises(StoreUnavailableError, match=r"PostgreSQL at 127\.0\.0\.1 cannot be used right now"):
            ask()
    server.start()
    assert len(reader.entries(everything)) == 1
    assert writer.open(HERE) == {ATTEMPTS: 1}
    writer.write((), (logged(make_entry(), 1),), {ATTEMPTS: 2}, now_ms=NOW_MS)
    server.stop()  # the reader's kept connection is of the server that was
    server.start()
    assert len(reader.entries(everything)) == 2
    reader.close()
    writer.close()


def test_a_wrong_password_is_told_without_it(server: RunningPostgresql) -> None:
    wrong = "wrong-but-secret"
    address = Address(server.dsn.replace(PASSWORD, wrong), topic_prefix="es.")
    writer = PostgresqlWriter(address, retention=DAY, max_bytes=MIB)

    with pytest.raises(StoreUnavailableError, match="password authentication failed") as caught:
        writer.open(HERE)

    assert wrong not in f"{caught.value} {caught.value!r} {address} {address!r} {writer!r}"


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://es:se/cret@host/db",
        "postgresql://es:12/cret@host/db",
        "postgresql://es:se@cret@host/db",
        "postgresql://es:se%cret@host/db",
        "postgresql://es:secret@host:port/db",
        "postgresql://es:secret@host/db?secret=cret",
        "postgresql://es:secret@host/db@cret",
    ],
)
def test_an_address_that_makes_no_sense_is_told_without_it(dsn: str) -> None:
    with pytest.raises(SettingsError, match="must be postgresql://user:password@host:5432/database") as caught:
        make_stores(Settings.load(delivery_log=dsn), now_ms)

    assert "cret" not in str(caught.value)


def test_a_database_of_another_kind_is_refused_without_its_address() -> None:
    with pytest.raises(SettingsError, match=r"DELIVERY_LOG: it must be a file, postgresql://") as caught:
        Settings.load(delivery_log="mysql://es:secret@host/db")

    assert "secret" not in str(caught.value)


def test_settings_do_not_show_the_address() -> None:
    assert "hunter2" not in repr(Settings.load(delivery_log="postgresql://es:hunter2@host/db"))


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.startswith(("psycopg", "control_api.delivery_log.postgresql_")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(SettingsError, match=r"pip install 'eventstreams\[postgresql\]'"):
        make_stores(Settings.load(delivery_log="postgresql://es:secret@host/db"), now_ms)


def test_each_installation_has_a_schema_of_its_own() -> None:
    prefixes = ["es.", "es", "ES.", "e.s.", "e_s.", "e-s.", "", ".", "x" * 80 + ".", "x" * 81]

    names = [schema_of(prefix) for prefix in prefixes]

    assert names[0] == "eventstreams_es"
    assert len(set(names)) == len(prefixes)
    assert max(map(len, names)) <= 63
