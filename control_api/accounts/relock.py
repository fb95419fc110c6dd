"""Secrets on the control topic, encrypted anew under the first key, beside everything else that is written.

Each record is read, changed and written under the lock that every other write takes, so none is undone. What is done
is known from the records alone: to begin again, or twice, harms nothing.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from control_api.plane import ControlPlane
from eventstreams.control.records import Account, SinkRecord
from eventstreams.control.snapshot import Snapshot
from eventstreams.control.vault import Vault

_SLICE_S: Final = 5.0  # of one request: long enough to get on, short enough for every proxy on the way
_AT_ONCE: Final = 50  # records written under one hold of the lock, which others wait for
_LOOK: Final = 500  # records looked at before others get their turn: 10 ms


async def relock(plane: ControlPlane) -> tuple[int, int]:
    """Work for some seconds; how many records were written anew, and how many are left to be."""
    end, done = time.monotonic() + _SLICE_S, 0
    waiting = await _waiting(plane)
    while waiting and time.monotonic() < end:
        batch, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        async with plane.writing:
            found = [record for sid in batch if (record := _relocked(sid, plane)) is not None]
            await asyncio.gather(*(plane.writer.put(record) for record in found))
        done += len(found)
    return done, len(waiting) and len(await _waiting(plane))


async def _waiting(plane: ControlPlane) -> list[str]:
    """The SIDs of the records with a secret that is not under the first key."""
    found = []
    for count, (sid, secrets) in enumerate(list(_secrets(plane.feed.snapshot))):
        if count % _LOOK == 0:
            await asyncio.sleep(0)
        if not all(plane.vault.is_current(secret) for secret in secrets):
            found.append(sid)
    return found


def _secrets(snapshot: Snapshot) -> Iterator[tuple[str, tuple[str, ...]]]:
    for account in snapshot.accounts.values():
        yield account.sid, tuple(each for each in (account.auth_token, account.secondary_token) if each is not None)
    for sink in snapshot.sinks.values():
        yield sink.sid, tuple(each for each in (sink.configuration, sink.test_id) if each is not None)


def _relocked(sid: str, plane: ControlPlane) -> Account | SinkRecord | None:
    """The record as it is now, its secrets under the first key; None where there is nothing to do any more."""
    snapshot, vault = plane.feed.snapshot, plane.vault
    found: Account | SinkRecord | None = snapshot.accounts.get(sid) or snapshot.sinks.get(sid)
    changed = None if found is None else _changed(found, vault)
    return None if changed == found else changed


def _changed(record: Account | SinkRecord, vault: Vault) -> Account | SinkRecord:
    def relocked(secret: str | None) -> str | None:
        return None if secret is None else vault.relock(secret)

    if isinstance(record, SinkRecord):
        return replace(record, configuration=vault.relock(record.configuration), test_id=relocked(record.test_id))
    return replace(record, auth_token=vault.relock(record.auth_token), secondary_token=relocked(record.secondary_token))
