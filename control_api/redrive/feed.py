"""Follows the jobs on the jobs topic, and writes the API's changes to it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from control_api.redrive.jobs import (
    Job,
    JobPart,
    JobRecordError,
    Order,
    decode_order,
    decode_progress,
    encode,
    key_of,
    parse_key,
)
from control_api.replicas.snapshot_overlay import NOTHING, Changes
from control_api.replicas.writing import Writing
from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.kafka.transaction import Outgoing
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics

# A transaction that a dead process left open on the topic hides what was written after it, until the broker ends it 10
# to 20 s later, or its job is taken up again. Neither an answer nor the start of a process waits for that.
_READ_BACK_S: Final = 3.0

_log = get_logger(__name__)


class JobFeed:
    """Follows the jobs topic. Use as ``async with``: once entered, it knows the jobs that existed then.

    The exception are jobs after a transaction that a dead process left open, which a runner ends first.
    """

    def __init__(self, settings: Settings, *, on_crash: Callable[[BaseException], None]) -> None:
        self.jobs: dict[str, Job] = {}
        self._listeners: list[Callable[[], None]] = []
        self._follower = PartitionFollower(settings, Topics(settings).jobs, on_records=self._apply, on_crash=on_crash)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._follower)
        await self.know()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` on the event loop whenever jobs were submitted."""
        self._listeners.append(listener)

    async def catch_up(self) -> None:
        """Return once everything that was written before this call is known."""
        await self._follower.catch_up()

    @property
    def position(self) -> int:
        """The offset below which everything is known."""
        return self._follower.position

    async def know(self, offset: int | None = None) -> None:
        """Return once everything below ``offset`` is known, by default all that there is; or after three seconds."""
        try:
            async with asyncio.timeout(_READ_BACK_S):
                await (self.catch_up() if offset is None else self._follower.wait_until(offset))
        except TimeoutError:
            _log.warning("job.not_read_back", follows="the answer does not wait for it")

    def jobs_of(self, account_sid: str) -> Sequence[Job]:
        """The account's jobs, oldest first."""
        found = (job for job in self.jobs.values() if job.order.selection.account_sid == account_sid)
        return sorted(found, key=lambda job: job.position)

    def unfinished(self) -> Sequence[Job]:
        """Everybody's jobs that are not finished, oldest first."""
        return sorted((job for job in self.jobs.values() if not job.finished), key=lambda job: job.position)

    def _apply(self, records: Sequence[Record]) -> None:
        submitted = False
        for record in records:
            try:
                submitted |= self._apply_one(record) is JobPart.ORDER
            except JobRecordError as error:
                _log.warning("job.record_skipped", offset=record.offset, error=str(error))
        if submitted:
            for listener in self._listeners:
                listener()

    def _apply_one(self, record: Record) -> JobPart:
        part, sid = parse_key(record.key)
        job = self.jobs.get(sid)
        match part:
            case JobPart.ORDER if not record.value:
                self.jobs.pop(sid, None)
            case JobPart.ORDER:
                self.jobs[sid] = Job(decode_order(record.value))
            case JobPart.PROGRESS:
                if job is not None and record.value:
                    self.jobs[sid] = replace(job, progress=decode_progress(record.value))
            case JobPart.CANCEL:
                if job is not None and record.value:
                    self.jobs[sid] = replace(job, cancelled=True)
        return part


class JobWriter:
    """Submits, cancels and forgets jobs, as part of the current write."""

    def __init__(self, writing: Writing, topics: Topics) -> None:
        self._writing = writing
        self._topic = topics.jobs

    def staged(self) -> Sequence[Order]:
        """The orders of other requests that are staged and not on the topic yet. Call it while ``writing`` is held."""
        return [each for each in self._writing.staged().values() if isinstance(each, Order)]

    async def submit(self, order: Order) -> None:
        """Submit a job."""
        await self._put(JobPart.ORDER, order.sid, encode(order), changes={order.sid: order})

    async def cancel(self, sid: str) -> None:
        """Cancel the job ``sid``."""
        await self._put(JobPart.CANCEL, sid, b"{}")

    async def forget(self, sid: str) -> None:
        """Remove the finished job ``sid``."""
        for part in JobPart:  # the order first: without it, the other records of a job are ignored
            await self._put(part, sid, None)

    async def _put(self, part: JobPart, sid: str, value: bytes | None, *, changes: Changes = NOTHING) -> None:
        await self._writing.add(Outgoing(self._topic, value, key_of(part, sid)), changes=changes)
