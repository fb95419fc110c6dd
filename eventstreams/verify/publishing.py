"""Publishes a run's events through the gateway at a given rate, and records its answer about each."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson

from eventstreams.errors import EventStreamsError
from eventstreams.trust import tls_to
from eventstreams.verify.ledger import Ledger, State
from eventstreams.verify.plan import Batch, Kind, Plan, digest, make_event, spoil

_BATCH: Final = "application/cloudevents-batch+json"
_ASK_S: Final = 35.0  # a gateway answers within half a minute, even if Kafka is down
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_AT_ONCE: Final = 8  # batches
_MOST_TOLD: Final = 5
_CLIENT_ERRORS: Final = range(400, 500)
_AUTH: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Login:
    """An account and its token, to publish or call the API with."""

    account_sid: str
    auth_token: str = field(repr=False)


@dataclass(slots=True)
class Published:
    """The results so far.

    Attributes:
        acknowledged: Events that the gateway acknowledged.
        sent_again: How often a request was resent.
        refused: The gateway's first answers when it refused valid events.
        taken: Invalid events that the gateway accepted; the first of them.
    """

    acknowledged: int = 0
    sent_again: int = 0
    refused: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)


class Publisher:
    """Publishes one run."""

    def __init__(
        self,
        gateway: str,
        plan: Plan,
        ledger: Ledger,
        logins: Mapping[Kind, Login],
        *,
        rate: float,
        give_up_s: float,
    ) -> None:
        """A publisher.

        Args:
            gateway: The gateway's URL, without a path.
            plan: What to publish.
            ledger: Where it is recorded.
            logins: The account that publishes events of each kind.
            rate: Events per second.
            give_up_s: How many seconds a batch is resent while its outcome is unknown.
        """
        self._url = f"{gateway}/v1/Events"
        self._plan = plan
        self._ledger = ledger
        self._logins = logins
        self._rate = rate
        self._give_up_s = give_up_s
        self.published = Published()
        self._fatal: EventStreamsError | None = None

    async def run(self) -> None:
        """Publish everything: each batch at its time, or later if too many are still being sent.

        Raises:
            EventStreamsError: the gateway refuses our credentials, or does not exist at that address.
        """
        loop = asyncio.get_running_loop()
        began, room, sent = loop.time(), asyncio.Semaphore(_AT_ONCE), 0
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as session,
            asyncio.TaskGroup() as group,
        ):
            for batch in self._plan.batches():
                if self._fatal is not None:
                    break
                await asyncio.sleep(max(began + sent / self._rate - loop.time(), 0))
                await room.acquire()
                group.create_task(self._publish(session, batch)).add_done_callback(lambda _: room.release())
                sent += len(batch.numbers)
        if self._fatal is not None:
            raise self._fatal

    async def _publish(self, session: aiohttp.ClientSession, batch: Batch) -> None:
        login, now = self._logins[batch.kind], datetime.now(UTC)
        events = [make_event(self._plan, number, login.account_sid, now) for number in batch.numbers]
        self._ledger.sending(batch, map(digest, events), time.time())
        if batch.kind is Kind.INVALID:
            events[-1] = spoil(events[-1])
        deadline, wait_s = time.monotonic() + self._give_up_s, _FIRST_WAIT_S
        left = list(batch.numbers)
        while left:
            bodies = [events[number - batch.first] for number in left]
            left = await self._send(session, batch, login, left, orjson.dumps(bodies))
            if left:
                if time.monotonic() > deadline:
                    return  # their outcome stays unknown
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
                self.published.sent_again += 1
                self._ledger.sending_again(batch)

    async def _send(
        self, session: aiohttp.ClientSession, batch: Batch, login: Login, numbers: Sequence[int], body: bytes
    ) -> list[int]:
        """Send one request; returns the events whose outcome is unknown."""
        headers = {
            "Authorization": aiohttp.encode_basic_auth(login.account_sid, login.auth_token),
            "Content-Type": _BATCH,
        }
        try:
            async with session.post(self._url, data=body, headers=headers, ssl=tls_to(self._url)) as answer:
                status, told = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return list(numbers)
        if status == HTTPStatus.ACCEPTED:
            self._taken(batch, numbers)
            return []
        if status in _AUTH:
            self._fatal = EventStreamsError(f"the gateway at {self._url} answers {status}: {_message(told)}")
            return []
        if status in _CLIENT_ERRORS and status not in _PASSING:
            self._ledger.set_states(numbers, State.REFUSED)
            if batch.kind is not Kind.INVALID:
                _add(self.published.refused, f"{self._plan.id_of(batch.first)}: {status}: {_message(told)}")
            return []
        return self._partly(batch, numbers, told)

    def _partly(self, batch: Batch, numbers: Sequence[int], told: bytes) -> list[int]:
        """Handle an answer that says which events were accepted, as when Kafka fails half-way; returns the others."""
        has = _accepted(told)
        taken = [number for number in numbers if self._plan.id_of(number) in has]
        if taken:
            self._taken(batch, taken)
        return [number for number in numbers if self._plan.id_of(number) not in has]

    def _taken(self, batch: Batch, numbers: Sequence[int]) -> None:
        self._ledger.acknowledged(batch, numbers, time.time())
        self.published.acknowledged += len(numbers)
        if batch.kind is Kind.INVALID:
            _add(self.published.taken, self._plan.id_of(batch.end - 1))


def _add(told: list[str], text: str) -> None:
    if len(told) < _MOST_TOLD:
        told.append(text)


def _accepted(told: bytes) -> frozenset[str]:
    try:
        events = orjson.loads(told)["details"]["events"]
        return frozenset(str(each["id"]) for each in events if each["accepted"] is True)
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return frozenset()


def _message(told: bytes) -> str:
    try:
        return str(orjson.loads(told)["message"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return "it is not an Event Streams gateway"
