"""The address, credentials and schema of the PostgreSQL database. The only module that knows the password."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from typing_extensions import override

from control_api.delivery_log.store import SearchTooLongError, StoreDamagedError, StoreUnavailableError
from eventstreams.errors import SettingsError
from eventstreams.settings import PREFIX

_MALFORMED: Final = (
    f"{PREFIX}DELIVERY_LOG is malformed: it must be postgresql://user:password@host:5432/database, with special "
    "characters in the password percent-encoded, such as %40 for @ and %2F for /"
)
# With an unescaped character in it, part of a password ends up in other components, which errors show. So check these.
_HOST: Final = re.compile(r"[\w.,:/-]*", re.ASCII)
_PORT: Final = re.compile(r"[\d,]*", re.ASCII)
_DATABASE: Final = re.compile(r"[^@:/]*")
_SECRET: Final = ("password", "sslpassword")
_OURS: Final = {  # defaults; an operator's own values take precedence
    "application_name": "eventstreams-delivery-log",
    "client_encoding": "utf8",
    "connect_timeout": "3",  # seconds, per host; a search waits for it
    # Both sides notice within half a minute if the other has vanished, for example in a power failure.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_SESSION: Final = (
    "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; "
    "set idle_in_transaction_session_timeout = '60s'; set synchronous_commit = off; "  # the last rows *and* offsets
    "set standard_conforming_strings = on"
)
_LONGEST_SCHEMA: Final = 63  # PostgreSQL's limit; a longer one would be cut
_MOST_TEXT: Final = 300

Connection = psycopg.Connection[TupleRow]


class Address:
    """A database, and our schema in it."""

    def __init__(self, dsn: str, *, topic_prefix: str) -> None:
        """Parse ``dsn``.

        Raises:
            SettingsError: it is malformed. The message contains no part of it.
        """
        try:
            parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
        except psycopg.Error:
            raise SettingsError(_MALFORMED) from None
        host, port, database = (parts.get(name, "") for name in ("host", "port", "dbname"))
        if not (_HOST.fullmatch(host) and _PORT.fullmatch(port) and _DATABASE.fullmatch(database)):
            raise SettingsError(_MALFORMED)
        self._conninfo = make_conninfo("", **{**_OURS, **parts})
        self._secrets = [parts[name] for name in _SECRET if parts.get(name)]
        self._shown = f"PostgreSQL at {host or 'its default address'}"
        self.schema = schema_of(topic_prefix)

    @override
    def __str__(self) -> str:
        return self._shown

    def connect(self) -> Connection:
        """Open a connection in autocommit mode; raises psycopg's errors."""
        connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        try:
            connection.execute(_SESSION)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def telling(self, *, reading: bool = False) -> Iterator[None]:
        """Translate psycopg's errors into ours. ``reading``: if something is missing, it may still be created."""
        try:
            yield
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
            psycopg.errors.InvalidSchemaName,
        ) as error:
            if reading:
                raise StoreUnavailableError(f"{self} has no delivery log of this release (yet)") from None
            raise StoreDamagedError(f"{self} lost part of the delivery log: {self._plain(error)}") from None
        except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as error:
            raise StoreDamagedError(f"{self} is damaged: {self._plain(error)}") from None
        except psycopg.errors.QueryCanceled as error:
            if reading:
                raise SearchTooLongError("the search would take too long") from None
            raise StoreUnavailableError(f"{self} took too long: {self._plain(error)}") from None
        except psycopg.Error as error:
            raise StoreUnavailableError(f"{self} cannot be used right now: {self._plain(error)}") from None

    def _plain(self, error: psycopg.Error) -> str:
        """The error's first line, without the address's secrets."""
        text = str(error).partition("\n")[0]
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:_MOST_TEXT] or type(error).__name__


def schema_of(topic_prefix: str) -> str:
    """The schema for the installation with this prefix: ``eventstreams_es`` for ``es.``; unique for each prefix."""
    plain = re.sub(r"[^a-z0-9_]", "_", topic_prefix.removesuffix(".").lower())
    name = f"eventstreams_{plain}"
    if f"{plain}." == topic_prefix and len(name) <= _LONGEST_SCHEMA:
        return name
    mark = hashlib.sha256(topic_prefix.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_SCHEMA - len(mark) - 1]}_{mark}"
