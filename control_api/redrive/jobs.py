"""Jobs as they stand on the jobs topic. Pure.

Three records tell of a job, each with one writer, so that no write can undo another's:

    job/<SID>        what is to be done; by the API, once
    cancel/<SID>     that it is to end; by the API
    progress/<SID>   how far it is; by its runner, in the transaction of the copies that it counts
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
    """What is to be done.

    Attributes:
        ranges: What to look through. They end where the topics ended when the job was made, so that what dies again
            because of it is not its work.
        rate: Most events a second.
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
        left: What it has still to look through.
        examined: Records looked at.
        selected: Events among them that the selection takes: ``copied`` and all ``skipped``.
        copied: Events that are on a subscription's topic again.
        detail: Why it failed; empty otherwise.
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
        """The progress once everything before ``positions`` is dealt with, of which the numbers tell."""
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
    """A job as it is known now. ``progress`` is None until a runner has taken it up."""

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
        """Which part of its ranges is behind it, from 0 to 1. (How many records that were is for operators to know:
        they are everybody's.)
        """
        if self.progress is None or not self.order.ranges:
            return 0.0 if self.progress is None else 1.0
        left = sum(each.records for each in self.progress.left)
        return 1 - left / max(sum(each.records for each in self.order.ranges), 1)

    @property
    def position(self) -> tuple[int, str]:
        """Where it stands in a list of jobs: oldest first."""
        return self.order.created_ms, self.order.sid


class JobPart(StrEnum):
    """Which of a job's records; the start of its key."""

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
    """Which record of which job ``key`` names.

    Raises:
        JobRecordError: it names none.
    """
    name, _, sid = (key or b"").decode(errors="replace").partition("/")
    try:
        return JobPart(name), sid
    except ValueError:
        raise JobRecordError(f"key {key!r} names no job") from None


def encode(part: Order | Progress) -> bytes:
    return orjson.dumps(part, option=orjson.OPT_NON_STR_KEYS)


def decode_order(value: bytes) -> Order:
    """Raises ``JobRecordError`` where ``value`` is none. Fields of a later release are ignored."""
    try:
        return _ORDER.validate_json(value)
    except ValidationError as error:
        raise JobRecordError(str(error.errors(include_url=False, include_input=False)[0])) from None


def decode_progress(value: bytes) -> Progress:
    """As ``decode_order``."""
    try:
        return _PROGRESS.validate_json(value)
    except ValidationError as error:
        raise JobRecordError(str(error.errors(include_url=False, include_input=False)[0])) from None
