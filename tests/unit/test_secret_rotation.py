"""Secrets that are encrypted anew beside other writes."""

import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from control_api.accounts import secret_rotation
from control_api.plane import ControlPlane
from control_api.replicas.writing import ResourceWriter, Writing
from eventstreams.control.records import Account, encode, key_of
from eventstreams.control.snapshot import Snapshot
from eventstreams.kafka.records import Record
from eventstreams.kafka.transaction import Outgoing
from eventstreams.settings import Settings
from eventstreams.topics import Topics


class Log:
    """A primary's; counts transactions."""

    term = 1

    def __init__(self) -> None:
        self.written = 0

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]:
        self.written += 1
        return {each.topic: 1 for each in records}


async def test_what_is_left_is_counted_while_others_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_rotation, "_AT_ONCE", 1)
    monkeypatch.setattr(secret_rotation, "_SLICE_S", 0.01)
    log, snapshot = Log(), Snapshot()
    for sid in ("AC" + "1" * 32, "AC" + "2" * 32):
        account = Account(sid=sid, friendly_name="a", auth_token="old", created_ms=1, updated_ms=1)
        snapshot.apply(Record("es.control", 0, 0, key_of(sid), encode(account), (), 1))
    written_at_looks: list[int] = []

    def is_current(*_: object) -> bool:
        written_at_looks.append(log.written)
        return False

    def anew(*_: object) -> str:
        time.sleep(0.02)  # longer than the slice: one of two is done
        return "new"

    writing = Writing(log)
    vault = SimpleNamespace(is_current=is_current, relock=anew)
    made = SimpleNamespace(snapshot=snapshot, vault=vault, writing=writing)
    made.writer = ResourceWriter(writing, Topics(Settings.load()))
    unit = writing.begin_request()
    done, _ = await secret_rotation.rotate_secrets(cast(ControlPlane, made))
    writing.end_request(unit)

    assert done == 1
    assert written_at_looks == [0, 0, 1, 1]
