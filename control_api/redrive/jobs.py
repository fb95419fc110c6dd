"""Jobs and their records on the jobs topic. Pure.

A job has up to three records, each with one writer, so that no write can undo another's:

    job/<SID>        what is to be done; written by the API, once
    cancel/<SID>     that it is to end; written by the API
    progress/<SID>   how far it is; written by its runner, in the same transaction as the copies that it counts
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from control_api.redrive.selection import Selection
from eventstreams.client.values import FINISHED, JobStatus, SkipReason
from eventstreams.kafka.ranges import Range
from eventstreams.kafka.records import Partition


class JobKind(StrEnum):
    """``redrive``: dead letters, each to its own subscription. ``replay``: accepted events, to one subscription."""

    REDRIVE = "redrive"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a job is to do.

    Attributes:
        sid: The job's SID.
        kind: Redrive or replay.
        selection: Which events.
        ranges: What to search. They end where the topics ended when the job was submitted, so that it does not process
            events that die again because of it.
        rate: The most events a second.
        created_ms: When it was submitted, in ms since the epoch.
    """

    sid: str
    kind: JobKind
    selection: Selection
    ranges: tuple[Range, ...]
    rate: int
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is.

    Attributes:
        status: Its status.
        left: What it still has to search.
        updated_ms: When this was written, in ms since the epoch.
        started_ms: When it was started.
        examined: Records that were searched.
        selected: Events among them that are selected: ``copied`` and all ``skipped``.
        copied: Events that were put back on a subscription's topic.
        skipped: Selected events that were not copied, by reason.
        detail: Why it failed; else empty.
    """

    status: JobStatus
    left: tuple[Range, ...]
    updated_ms: int
    started_ms: int
    examined: int = 0
    selected: int = 0
    copied: int = 0
    skipped: Mapping[SkipReason, int] = field(default_factory=dict)
    detail: str = ""

    def moved(
        self,
        positions: Mapping[Partition, int],
        *,
        examined: int,
        copied: int,
        skipped: Mapping[SkipReason, int],
        now_ms: int,
        status: JobStatus = JobStatus.RUNNING,
    ) -> "Progress":
        """The progress once everything before ``positions`` is processed; the other numbers are added."""
        moved = (replace(each, first=positions[Partition(each.topic, each.partition)]) for each in self.left)
        reasons = {**self.skipped, **skipped}
        return replace(
            self,
            status=status,
            left=tuple(each for each in moved if each.records),
            updated_ms=now_ms,
            examined=self.examined + examined,
            selected=self.selected + copied + sum(skipped.values()),
            copied=self.copied + copied,
            skipped={reason: self.skipped.get(reason, 0) + skipped.get(reason, 0) for reason in reasons},
        )


@dataclass(frozen=True, slots=True)
class Job:
    """The current state of a job. ``progress`` is None until a runner has taken it up."""

    order: Order
    progress: Progress | None = None
    cancelled: bool = False

    @property
    def status(self) -> JobStatus:
        status = JobStatus.SUBMITTED if self.progress is None else self.progress.status
        return JobStatus.CANCELLING if self.cancelled and status not in FINISHED else status

    @property
    def finished(self) -> bool:
        return self.status in FINISHED

    @property
    def looked_through(self) -> float:
        """The share of its ranges that was searched, from 0 to 1.

        (The number of records must not be shown to accounts, as they are everybody's.)
        """
        if self.progress is None or not self.order.ranges:
            return 0.0 if self.progress is None else 1.0
        left = sum(each.records for each in self.progress.left)
        return 1 - left / max(sum(each.records for each in self.order.ranges), 1)

    @property
    def position(self) -> tuple[int, str]:
        """The sort key for lists of jobs, oldest first."""
        return self.order.created_ms, self.order.sid


class JobPart(StrEnum):
    """The records of a job; the value is the start of the key."""

    ORDER = "job"
    PROGRESS = "progress"
    CANCEL = "cancel"


_ORDER: Final = TypeAdapter(Order)
_PROGRESS: Final = TypeAdapter(Progress)


class JobRecordError(ValueError):
    """A record of the jobs topic that this release cannot read."""


def key_of(part: JobPart, sid: str) -> bytes:
    return f"{part}/{sid}".encode()


def parse_key(key: bytes | None) -> tuple[JobPart, str]:
    """The kind of record and the job's SID in ``key``.

    Raises:
        JobRecordError: it is not the key of a job's record.
    """
    name, _, sid = (key or b"").decode(errors="replace").partition("/")
    try:
        return JobPart(name), sid
    except ValueError:
        raise JobRecordError(f"key {key!r} names no job") from None


def encode(part: Order | Progress) -> bytes:
    return orjson.dumps(part, option=orjson.OPT_NON_STR_KEYS)


def decode_order(value: bytes) -> Order:
    """Parse an order; fields of a later release are ignored. Raises ``JobRecordError`` if it is not valid."""
    try:
        return _ORDER.validate_json(value)
    except ValidationError as error:
        raise JobRecordError(str(error.errors(include_url=False, include_input=False)[0])) from None


def decode_progress(value: bytes) -> Progress:
    """Parse progress, like ``decode_order``."""
    try:
        return _PROGRESS.validate_json(value)
    except ValidationError as error:
        raise JobRecordError(str(error.errors(include_url=False, include_input=False)[0])) from None
