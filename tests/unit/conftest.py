"""Stores of the delivery log, one for each test: each call opens the same one once more."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from control_api.delivery_log.postgresql_address import Address
from control_api.delivery_log.postgresql_reader import PostgresqlReader
from control_api.delivery_log.postgresql_writer import PostgresqlWriter
from control_api.delivery_log.sqlite_reader import SqliteReader
from control_api.delivery_log.sqlite_writer import SqliteWriter
from tests.support.delivery_log import DAY, MIB, Clock, NewStore, Store

_PATIENT_S = 60.0
_MS = timedelta(milliseconds=1)


@pytest.fixture
def new_sqlite(tmp_path: Path) -> Iterator[NewStore]:
    file = tmp_path / "state" / "log.db"

    def count_segments() -> int:
        with closing(sqlite3.connect(file)) as database:
            count: int = database.execute("select count(*) from segment").fetchone()[0]
            return count

    with ExitStack() as stack:

        def make(*, retention: timedelta = 7 * DAY, max_bytes: int = 64 * MIB) -> Store:
            clock = Clock()
            reader, hasty = (
                SqliteReader(file, retention_ms=retention // _MS, clock=clock, search_s=limit_s)
                for limit_s in (_PATIENT_S, 0.0)
            )
            writer = SqliteWriter(file, retention=retention, max_bytes=max_bytes)
            made = Store(writer, reader, hasty, clock, count_segments, lambda: file.stat().st_size)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def address(postgresql: str) -> Iterator[Address]:
    """A schema of its own in the database."""
    address = Address(postgresql, topic_prefix=f"t{uuid.uuid4().hex[:10]}.")
    yield address
    with psycopg.connect(postgresql, autocommit=True) as database:
        database.execute(f"drop schema if exists {address.schema} cascade")


@pytest.fixture
def new_postgresql(address: Address, postgresql: str) -> Iterator[NewStore]:
    def ask(query: str) -> int:
        with psycopg.connect(postgresql, autocommit=True) as database:
            [(answer,)] = database.execute(query).fetchall()
            return int(answer)

    def count_bytes() -> int:
        tables = f"select oid from pg_class where relnamespace = '{address.schema}'::regnamespace and relkind = 'r'"
        return ask(f"select sum(pg_total_relation_size(oid)) from ({tables}) as tables")

    with ExitStack() as stack:

        def make(*, retention: timedelta = 7 * DAY, max_bytes: int = 64 * MIB) -> Store:
            clock = Clock()
            reader, hasty = (
                PostgresqlReader(address, retention_ms=retention // _MS, clock=clock, search_s=limit_s)
                for limit_s in (_PATIENT_S, 0.0)
            )
            writer = PostgresqlWriter(address, retention=retention, max_bytes=max_bytes)
            segments = f"select count(*) from {address.schema}.segment"
            made = Store(writer, reader, hasty, clock, lambda: ask(segments), count_bytes)
            stack.callback(made.close)
            return made

        yield make
