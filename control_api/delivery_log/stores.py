"""Creates the store that the settings ask for."""

import os
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from control_api.delivery_log.sqlite_reader import SqliteReader
from control_api.delivery_log.sqlite_writer import SqliteWriter
from control_api.delivery_log.store import LogReader, LogWriter
from eventstreams.errors import SettingsError
from eventstreams.settings import DSN_SCHEMES, PREFIX, Settings
from eventstreams.times import Clock

_OFF: Final = frozenset({"", "off"})


@dataclass(frozen=True, slots=True)
class Stores:
    """The writer and the reader of one store."""

    writer: LogWriter
    reader: LogReader


def make_stores(settings: Settings, clock: Clock) -> Stores | None:
    """Create the store without opening it; None if the settings want none.

    Raises:
        SettingsError: the address of a PostgreSQL database is malformed, or psycopg is missing.
    """
    given = _given(settings)
    if given.startswith(DSN_SCHEMES):
        return _postgresql(settings, given, clock)
    file = file_of(settings)
    if file is None:
        return None
    retention, max_bytes = settings.delivery_log_retention, settings.delivery_log_max_mib << 20
    return Stores(
        SqliteWriter(file, retention=retention, max_bytes=max_bytes),
        SqliteReader(file, retention_ms=retention // timedelta(milliseconds=1), clock=clock),
    )


def file_of(settings: Settings) -> Path | None:
    """The file of a log in SQLite; None if there is to be no log."""
    if settings.delivery_log is None:
        return _state_folder() / "eventstreams" / f"{settings.topic_prefix}delivery-log.db"
    given = _given(settings)
    return None if given in _OFF else Path(given)


def _given(settings: Settings) -> str:
    return "" if settings.delivery_log is None else settings.delivery_log.get_secret_value().strip()


def _postgresql(settings: Settings, dsn: str, clock: Clock) -> Stores:
    try:
        # Imported here because psycopg is an extra.
        from control_api.delivery_log.postgresql_address import Address  # noqa: PLC0415
        from control_api.delivery_log.postgresql_reader import PostgresqlReader  # noqa: PLC0415
        from control_api.delivery_log.postgresql_writer import PostgresqlWriter  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            f"{PREFIX}DELIVERY_LOG names a PostgreSQL database, but psycopg is missing: pip install "
            "'eventstreams[postgresql]'"
        ) from None
    address = Address(dsn, topic_prefix=settings.topic_prefix)
    retention, max_bytes = settings.delivery_log_retention, settings.delivery_log_max_mib << 20
    return Stores(
        PostgresqlWriter(address, retention=retention, max_bytes=max_bytes),
        PostgresqlReader(address, retention_ms=retention // timedelta(milliseconds=1), clock=clock),
    )


def _state_folder() -> Path:
    """The folder by the XDG base directory specification, or for temporary files if the user has no home."""
    if home := os.environ.get("XDG_STATE_HOME"):
        return Path(home)
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError:
        return Path(tempfile.gettempdir())
