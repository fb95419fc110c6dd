"""Secrets on the control topic, encrypted anew under the first key and bound to what they are for, beside other writes.

Each record is read, changed and written under the lock that every other write takes, so none is undone. What is done
is known from the records alone: to begin again, or twice, harms nothing.
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

_SLICE_S: Final = 5.0  # of one request: long enough to get on, short enough for every proxy on the way
_AT_ONCE: Final = 50  # records written under one hold of the lock, which others wait for
_LOOK: Final = 500  # records looked at before others get their turn: 10 ms


async def rotate_secrets(plane: ControlPlane) -> tuple[int, int]:
    """Work for some seconds; how many records were written anew, and how many are left to be."""
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
    await plane.writing.write_now()  # to count takes a second or two, in which others are to write
    return done, len(await _waiting(plane))


async def _waiting(plane: ControlPlane) -> list[str]:
    """The SIDs of the records with a secret that is not under the first key."""
    found = []
    for count, (sid, secrets) in enumerate(list(_secrets(plane.snapshot))):
        if count % _LOOK == 0:
            await asyncio.sleep(0)
        if not all(plane.vault.is_current(secret, purpose, sid) for purpose, secret in secrets):
            found.append(sid)
    return found


def _secrets(snapshot: Resources) -> Iterator[tuple[str, Sequence[tuple[Purpose, str]]]]:
    """What each record holds, by its SID."""
    records: Sequence[Resource] = [*snapshot.accounts.values(), *snapshot.sinks.values()]
    for record in records:
        yield record.sid, secrets_of(record)


def _relocked(sid: str, plane: ControlPlane) -> Resource | None:
    """The record as it is now, its secrets under the first key; None where there is nothing to do any more."""
    snapshot = plane.snapshot
    found: Resource | None = snapshot.accounts.get(sid) or snapshot.sinks.get(sid)
    changed = None if found is None else resealed(found, plane.vault)
    return None if changed == found else changed
