"""Translates SQLite's errors into ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from control_api.delivery_log.store import SearchTooLongError, StoreDamagedError, StoreUnavailableError

# Damaged, not a database, or without our tables: the file is not what we wrote.
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_PRIMARY: Final = 0xFF  # the other bits of a code are details


@contextmanager
def telling(file: Path) -> Iterator[None]:
    """Translate SQLite's errors inside the block into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        if code == sqlite3.SQLITE_INTERRUPT:
            raise SearchTooLongError("the search would take too long") from None
        if code in _DAMAGED:
            raise StoreDamagedError(f"{file} is damaged: {error}") from error
        raise StoreUnavailableError(f"{file} cannot be used right now: {error}") from error
