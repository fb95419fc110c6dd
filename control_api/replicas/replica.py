"""This API process as one of several, put together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from control_api.redrive.feed import JobFeed
from control_api.replicas.address import advertised_url
from control_api.replicas.answers import Answers
from control_api.replicas.forward import Forwarder
from control_api.replicas.primacy import Primacy
from control_api.replicas.route import WriteRouter
from control_api.replicas.terms import Duty, Followed
from control_api.replicas.writing import Writing
from eventstreams.control.feed import ControlFeed
from eventstreams.control.vault import Vault
from eventstreams.kafka.producer import AckedProducer
from eventstreams.kafka.transaction import Outgoing
from eventstreams.process import Process
from eventstreams.times import now_ms
from eventstreams.topics import Topics

_PRIMARY: Final = "a process of the API that takes writes"
_LOOK_S: Final = 0.5  # a dead process's record is followed by another's
_PLAIN_S: Final = 10.0
_LAST_WRITES_S: Final = 1.0  # for what is being written when this process stops; then the next primary takes it


@dataclass(frozen=True, slots=True)
class Replica:
    """What this process needs to be one of several.

    Attributes:
        plain: For records that are no part of what a request writes.
    """

    process: Process
    primacy: Primacy
    writing: Writing
    router: WriteRouter
    forwarder: Forwarder
    plain: AckedProducer

    @asynccontextmanager
    async def taking_part(
        self, *, duties: Sequence[Duty], prepare: Callable[[], Sequence[Outgoing]]
    ) -> AsyncIterator[None]:
        """Take part meanwhile, as ``Primacy.start``. The process is ready once it is the primary, or has reached it."""
        self.process.health.expect(_PRIMARY)
        self.primacy.listen(lambda: self.process.metrics.api_primary.set(self.primacy.term is not None))
        self.primacy.start(duties=duties, prepare=prepare)
        looking = asyncio.create_task(self._look_for_primary(), name="look-for-primary")
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def resign(self) -> None:
        """Answer what is being written, then leave the rest, and what only a primary does, to another process."""
        with suppress(TimeoutError):  # what takes longer goes to the next primary
            async with asyncio.timeout(_LAST_WRITES_S):
                await self.writing.idle()
        await self.primacy.resign()

    async def _look_for_primary(self) -> None:
        while self.primacy.term is None:
            other = self.primacy.other
            if other is not None and await self.forwarder.reaches(other):
                break
            await self.primacy.moved(within_s=_LOOK_S)
        self.process.health.met(_PRIMARY)


async def open_replica(
    process: Process, vault: Vault, listening: socket.socket, stack: AsyncExitStack, *, feed: ControlFeed, jobs: JobFeed
) -> Replica:
    """A replica until ``stack`` is left; ``feed`` and ``jobs`` are entered, and hold what there is, on return."""
    settings, topics = process.settings, Topics(process.settings)
    answers = Answers(settings, vault, clock=now_ms, on_crash=process.crash)
    followed = {
        topics.control: Followed(feed.catch_up, feed.wait_until, lambda: feed.position),
        topics.answers: Followed(answers.catch_up, answers.wait_until, lambda: answers.position),
        topics.jobs: Followed(jobs.know, jobs.know, lambda: jobs.position),
    }
    plain = await stack.enter_async_context(AckedProducer(settings, linger_ms=0, timeout_s=_PLAIN_S))
    url = advertised_url(settings, listening)
    primacy = Primacy(settings, feed, url=url, followed=followed, plain=plain, on_crash=process.crash)
    await stack.enter_async_context(primacy)  # first: the group takes its time while the rest is read
    for each in (feed, answers, jobs):
        await stack.enter_async_context(each)
    writing = Writing(primacy)
    forwarder = await stack.enter_async_context(Forwarder(vault, primacy, followed, process.metrics))
    router = WriteRouter(primacy, writing, answers, forwarder, clock=now_ms)
    return Replica(process, primacy, writing, router, forwarder, plain)
