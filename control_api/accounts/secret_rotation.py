"""Re-encrypts the secrets on the control topic with the first key, bound to their purpose, while other writes go on.

Each record is read, changed and written under the lock that every write takes, so no other write is undone. The records
themselves show what is done, so the rotation can be started again, or twice, without harm.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final

from control_api.plane import ControlPlane
from control_api.replicas.snapshot_overlay import Resources
from eventstreams.control.records import Resource
from eventstreams.control.reseal import resealed, secrets_of
from eventstreams.control.vault import Purpose

_SLICE_S: Final = 5.0  # of work in one request: long enough for progress, short enough for every proxy on the way
_AT_ONCE: Final = 50  # records written each time the lock is held, while other writes wait
_LOOK: Final = 500  # records checked before other tasks get their turn: 10 ms


async def rotate_secrets(plane: ControlPlane) -> tuple[int, int]:
    """Work for some seconds; return how many records were rewritten, and how many are left."""
    end, done = time.monotonic() + _SLICE_S, 0
    waiting = await _waiting(plane)
    while waiting and time.monotonic() < end:
        batch, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        async with plane.writing:
            found = [record for sid in batch if (record := _relocked(sid, plane)) is not None]
            await asyncio.gather(*(plane.writer.put(record) for record in found))
        done += len(found)
    if not waiting:
        return done, 0
    await plane.writing.write_now()  # counting takes a second or two, during which others can write
    return done, len(await _waiting(plane))


async def _waiting(plane: ControlPlane) -> list[str]:
    """The SIDs of the records with a secret that is not encrypted with the first key."""
    found = []
    for count, (sid, secrets) in enumerate(list(_secrets(plane.snapshot))):
        if count % _LOOK == 0:
            await asyncio.sleep(0)
        if not all(plane.vault.is_current(secret, purpose, sid) for purpose, secret in secrets):
            found.append(sid)
    return found


def _secrets(snapshot: Resources) -> Iterator[tuple[str, Sequence[tuple[Purpose, str]]]]:
    """The SID of each record with its secrets."""
    records: Sequence[Resource] = [*snapshot.accounts.values(), *snapshot.sinks.values()]
    for record in records:
        yield record.sid, secrets_of(record)


def _relocked(sid: str, plane: ControlPlane) -> Resource | None:
    """The current record with its secrets encrypted with the first key; None if there is nothing left to do."""
    snapshot = plane.snapshot
    found: Resource | None = snapshot.accounts.get(sid) or snapshot.sinks.get(sid)
    changed = None if found is None else resealed(found, plane.vault)
    return None if changed == found else changed
