"""Removes what closed accounts leave behind: first keys and routes, then, once no event waits any more, the sinks.

    closed ─► subscriptions are deleted: no more events are copied, and waiting ones become dead letters (see janitor)
           ─► when the last one is gone: the sinks, with their secrets
           ─► redrives and replays are cancelled, and forgotten once they have ended
    its API keys are removed at once; its record stays, so that its SID is never reused

It works from the snapshot alone, so after a restart it continues where it was.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from control_api.plane import ControlPlane
from control_api.redrive.feed import JobFeed, JobWriter
from eventstreams.control.records import Account, AccountStatus, SubscriptionState
from eventstreams.control.snapshot import Change
from eventstreams.errors import EventStreamsError
from eventstreams.telemetry.logging import get_logger

_AGAIN_S: Final = 2.0  # after an error of Kafka, or while a cancelled job has not ended yet

_log = get_logger(__name__)


class Closer:
    """Cleans up after closed accounts. ``run()`` never returns."""

    def __init__(self, plane: ControlPlane, jobs: JobFeed, job_writer: JobWriter) -> None:
        self._plane = plane
        self._jobs = jobs
        self._job_writer = job_writer
        self._changed = asyncio.Event()
        plane.feed.listen(self._on_change)
        jobs.listen(self._changed.set)  # a job may appear after the closing: its request was under way

    async def run(self) -> None:
        """Clean up after every account that is closed now or later."""
        while True:
            self._changed.clear()
            try:
                for account in self._closed():
                    await self._take_apart(account)
                for account_sid in self._gone_with_jobs():
                    await self._end_jobs(account_sid)
            except EventStreamsError as error:
                _log.warning("account.not_taken_apart", error=str(error), follows="again")
                await asyncio.sleep(_AGAIN_S)
            else:
                await self._wait()

    async def _wait(self) -> None:
        """Return when there may be something to do. The end of a job is not announced, so that is polled for."""
        try:
            async with asyncio.timeout(_AGAIN_S if self._gone_with_jobs() else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _closed(self) -> Sequence[Account]:
        accounts = self._plane.feed.snapshot.accounts.values()
        return [each for each in accounts if self._is_closed(each) and self._has_something(each.sid)]

    def _is_closed(self, account: Account) -> bool:
        return self._plane.feed.snapshot.status_of(account) is AccountStatus.CLOSED

    def _has_something(self, account_sid: str) -> bool:
        """Whether there is anything to remove now; sinks wait until the last subscription is gone."""
        snapshot = self._plane.feed.snapshot
        subscriptions = list(snapshot.subscriptions_of(account_sid))
        return (
            any(True for _ in snapshot.keys_of(account_sid))
            or any(each.state is SubscriptionState.ACTIVE for each in subscriptions)
            or (not subscriptions and any(True for _ in snapshot.sinks_of(account_sid)))
        )

    def _gone_with_jobs(self) -> Sequence[str]:
        """The accounts that have jobs and are closed, or closed and forgotten."""
        accounts = self._plane.feed.snapshot.accounts
        owners = {job.order.selection.account_sid for job in self._jobs.jobs.values()}
        return [sid for sid in owners if (found := accounts.get(sid)) is None or self._is_closed(found)]

    async def _take_apart(self, account: Account) -> None:
        plane = self._plane
        async with plane.writing:
            snapshot = plane.snapshot
            for key in list(snapshot.keys_of(account.sid)):
                await plane.writer.remove(key.sid)
            subscriptions = list(snapshot.subscriptions_of(account.sid))
            for each in subscriptions:
                if each.state is SubscriptionState.ACTIVE:
                    ending = replace(each, state=SubscriptionState.DELETING, updated_ms=plane.clock())
                    await plane.writer.put(ending)
            if not subscriptions:
                for sink in list(snapshot.sinks_of(account.sid)):
                    await plane.writer.remove(sink.sid)

    async def _end_jobs(self, account_sid: str) -> None:
        """Cancel jobs that are under way, and forget those that have ended, which their runner no longer writes."""
        async with self._plane.writing:
            for job in self._jobs.jobs_of(account_sid):
                if job.finished:
                    await self._job_writer.forget(job.order.sid)
                elif not job.cancelled:
                    await self._job_writer.cancel(job.order.sid)

    def _on_change(self, change: Change) -> None:
        changed = change.after or change.before
        if isinstance(changed, Account):
            self._changed.set()
        elif changed is not None:
            account = self._plane.feed.snapshot.accounts.get(changed.account_sid)
            if account is not None and self._is_closed(account):
                self._changed.set()
