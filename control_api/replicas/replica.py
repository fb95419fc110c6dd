"""Assembles the parts that make this API process one of several."""

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

_PRIMARY: Final = "an API process that accepts writes"
_LOOK_S: Final = 0.5  # the primary on record may be dead, and soon be replaced
_PLAIN_S: Final = 10.0
_LAST_WRITES_S: Final = 1.0  # for current writes when this process stops; the rest is for the next primary


@dataclass(frozen=True, slots=True)
class Replica:
    """What this process needs to be one of several.

    Attributes:
        process: The process.
        primacy: Whether it is the primary.
        writing: The right to write.
        router: Routes requests to the primary.
        forwarder: Forwards requests.
        plain: For records outside of requests' transactions.
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
        """Be a candidate inside the block, see ``Primacy.start``.

        The process is ready once it is the primary or has reached the primary.
        """
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
        """Finish current writes, then leave the rest, and the duties of the primary, to another process."""
        with suppress(TimeoutError):  # requests that take longer go to the next primary
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
    """Create a replica that works until ``stack`` is closed. On return, ``feed`` and ``jobs`` are open and current."""
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
    await stack.enter_async_context(primacy)  # first, as joining the group takes a while, in which the rest is read
    for each in (feed, answers, jobs):
        await stack.enter_async_context(each)
    writing = Writing(primacy)
    forwarder = await stack.enter_async_context(Forwarder(vault, primacy, followed, process.metrics))
    router = WriteRouter(primacy, writing, answers, forwarder, clock=now_ms)
    return Replica(process, primacy, writing, router, forwarder, plain)
