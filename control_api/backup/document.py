"""The format of a backup file: a header line, then a line for each resource. Pure.

Header: ``{"format": …, "version": 1, "taken_at": …, "prefix": …, "records": …, "seal": …}``. Then, in the order in
which they can be written back: ``{"sid": …, "written_ms": …, "value": {…}}``, with the value as it is on the topic. The
seal is the digest of everything else, encrypted with the secret key: it reveals a file that was damaged or changed, and
an installation whose key does not decrypt the secrets in the file.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from eventstreams.control.records import ControlRecordError, Resource, Subscription, decode, encode, key_of
from eventstreams.control.vault import Purpose
from eventstreams.errors import EventStreamsError, SettingsError
from eventstreams.sids import SidKind

FORMAT: Final = "eventstreams-control"
VERSION: Final = 1
_ORDER: Final = {
    kind: rank for rank, kind in enumerate((SidKind.ACCOUNT, SidKind.API_KEY, SidKind.SINK, SidKind.SUBSCRIPTION))
}


class BackupError(EventStreamsError):
    """A backup cannot be made or imported. Records written before are on the topic: the message says so."""


class Seals(Protocol):
    """Encrypts and decrypts; see ``Vault``."""

    def lock(self, secret: str, purpose: Purpose, owner: str) -> str: ...
    def unlock(self, locked: str, purpose: Purpose, owner: str) -> str: ...


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: str
    version: int
    taken_at: str
    prefix: str
    records: int
    seal: str


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    sid: str
    written_ms: int
    value: dict[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource's newest record: ``value`` is its JSON, ``written_ms`` the broker's timestamp."""

    sid: str
    written_ms: int
    value: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Backup:
    """The content of a file: accounts come before what they own, sinks before their subscriptions."""

    taken_at: datetime
    prefix: str
    resources: Sequence[Resource]


def write(entries: Iterable[Entry], *, taken_at: datetime, prefix: str, seals: Seals) -> bytes:
    """The content of the file."""
    lines = [
        orjson.dumps({"sid": each.sid, "written_ms": each.written_ms, "value": each.value})
        for each in sorted(entries, key=_place)
    ]
    header: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "taken_at": taken_at.isoformat(timespec="seconds"),
        "prefix": prefix,
        "records": len(lines),
    }
    seal = seals.lock(_digest(header, lines), Purpose.BACKUP, FORMAT)
    return b"\n".join([orjson.dumps({**header, "seal": seal}), *lines, b""])


def read(content: bytes, *, name: str, seals: Seals) -> Backup:
    """Parse the content of the file ``name``, which is used in messages only.

    Raises:
        BackupError: it is not a complete and unchanged backup, or this release or this key cannot read it.
    """
    first, _, rest = content.partition(b"\n")
    header = _header(first, name)
    lines = rest.split(b"\n")
    if lines.pop():
        raise BackupError(f"{name} ends in the middle of a line: use a complete copy of the file")
    if len(lines) != header.records:
        raise BackupError(
            f"{name} has {len(lines)} records, but its first line says {header.records}: use a complete copy of "
            "the file"
        )
    told = header.model_dump(exclude={"seal"})
    if _unsealed(header.seal, name, seals) != _digest(told, lines):
        raise BackupError(f"{name} was damaged or changed: its digest does not match. Use an older backup")
    return Backup(_time(header.taken_at, name), header.prefix, [_resource(line, name) for line in lines])


def _place(entry: Entry) -> tuple[int, bool, str]:
    is_subaccount = entry.value.get("owner_account_sid") is not None
    return _ORDER[SidKind(entry.sid[:2])], is_subaccount, entry.sid


def _digest(header: Mapping[str, object], lines: Sequence[bytes]) -> str:
    digest = hashlib.sha256(orjson.dumps(header, option=orjson.OPT_SORT_KEYS))
    for line in lines:
        digest.update(b"\n")
        digest.update(line)
    return digest.hexdigest()


def _header(line: bytes, name: str) -> _Header:
    foreign = BackupError(f"{name} is not a backup: its first line was not written by `eventstreams control export`")
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise foreign from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise foreign
    version = found.get("version")
    if isinstance(version, int) and version > VERSION:
        raise BackupError(
            f"{name} has format version {version}, but this release reads version {VERSION}: import it with the "
            "release that wrote it, or a newer one"
        )
    try:
        return _Header.model_validate(found)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise BackupError(f"{name} was damaged or changed: its first line has no valid {where!r}") from None


def _unsealed(seal: str, name: str, seals: Seals) -> str:
    try:
        return seals.unlock(seal, Purpose.BACKUP, FORMAT)
    except SettingsError:
        raise BackupError(
            f"{name} was made with another secret key, or its seal was damaged: append the key that the "
            "installation had then to EVENTSTREAMS_SECRET_KEY, after a comma"
        ) from None


def _time(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BackupError(f"{name} says that it was taken at {text!r}, which is not a time") from None


def _resource(line: bytes, name: str) -> Resource:
    """Parse a line. Raises ``BackupError`` also for fields that this release does not know: they would be lost."""
    try:
        entry = _Line.model_validate(orjson.loads(line))
        _ = key_of(entry.sid)
        found = decode(entry.sid, orjson.dumps(entry.value))
    except (ValueError, KeyError, ControlRecordError):
        raise BackupError(f"{name} has a record that this release cannot read; a newer one may") from None
    if found.sid != entry.sid:
        raise BackupError(f"{name} has a record under {entry.sid} that belongs to {found.sid}")
    if unknown := _unknown(entry.value, orjson.loads(encode(found))):
        raise BackupError(
            f"{name} contains {unknown!r} for {entry.sid}, which this release does not know: import it with the "
            "release that wrote it, or a newer one"
        )
    return found.dated(entry.written_ms) if isinstance(found, Subscription) else found


def _unknown(given: object, known: object) -> str | None:
    """The first key in ``given``, at any depth, that ``known`` does not have."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for key, value in given.items():
            if key not in known:
                return str(key)
            if found := _unknown(value, known[key]):
                return found
    if isinstance(given, list) and isinstance(known, list):
        return next((found for pair in zip(given, known, strict=False) if (found := _unknown(*pair))), None)
    return None
