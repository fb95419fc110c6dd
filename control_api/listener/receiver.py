"""The receiver: takes deliveries, reports each event, and answers as configured. It keeps nothing of them."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from socket import socket
from typing import Final

import orjson
from aiohttp import web

from control_api.listener.signatures import Known, Verdict, verdict
from eventstreams.process.health import serve_app

MAX_BODY: Final = 8 << 20  # a sink's batch is at most 1 MiB, and a larger event comes alone
_AT_ONCE: Final = 8  # bodies in memory; other requests wait for their turn
_READ_S: Final = 10.0  # for a body; a worker gives up after five
_REMEMBERED: Final = 10_000  # events whose arrivals are counted; for a forgotten one, the count starts again


@dataclass(frozen=True, slots=True)
class Plan:
    """How to answer. ``fail_first``: how many arrivals of each event get ``status``; None: all do."""

    status: int = HTTPStatus.OK
    fail_first: int | None = None

    def answer(self, arrivals: Sequence[int]) -> int:
        """The status for a request whose events have arrived this many times, including this time."""
        if self.fail_first is None or any(each <= self.fail_first for each in arrivals):
            return self.status
        return HTTPStatus.OK


@dataclass(frozen=True, slots=True)
class Seen:
    """One event of a request.

    Attributes:
        event: The CloudEvent.
        arrival: How often it has arrived so far; 0 if the request's signature is wrong or missing.
        signature: The verdict on the request's signatures.
        answered: The status of the answer.
        others: The number of other events in the request.
    """

    event: Mapping[str, object]
    arrival: int
    signature: Verdict
    answered: int
    others: int


@dataclass(frozen=True, slots=True)
class UnexpectedRequest:
    """A request without events, and why: a probe, or not a delivery of ours."""

    what: str
    signature: Verdict
    answered: int


class Receiver:
    """Passes each event to ``tell``, in the order of arrival."""

    def __init__(
        self, plan: Plan, tell: Callable[[Seen | UnexpectedRequest], None], *, clock: Callable[[], float] = time.time
    ) -> None:
        """``clock``: seconds since the epoch."""
        self.known = Known()
        self._plan = plan
        self._tell = tell
        self._clock = clock
        self._arrivals: OrderedDict[bytes, int] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def listening(self, opened: socket) -> AsyncIterator[None]:
        """Accept deliveries at ``opened`` inside the block."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._take)
        async with serve_app(app, opened):
            yield

    async def _take(self, request: web.Request) -> web.Response:
        async with self._turns:
            try:
                async with asyncio.timeout(_READ_S):
                    body = await request.read()
            except TimeoutError:
                return web.Response(status=HTTPStatus.REQUEST_TIMEOUT)
            url = f"{request.scheme}://{request.host}{request.raw_path}"
            signature = verdict(self.known, url, request.headers, body, now_s=self._clock())
            status = self._told(body, signature)
        return web.Response(status=status)

    def _told(self, body: bytes, signature: Verdict) -> int:
        forged = signature in {Verdict.WRONG, Verdict.MISSING}
        events = _events(body)
        if not events:
            what = "without events" if events is None else "a probe of whether this receiver exists"
            answered = HTTPStatus.FORBIDDEN if forged else HTTPStatus.BAD_REQUEST if events is None else self._probed()
            self._tell(UnexpectedRequest(what, signature, answered))
            return answered
        if forged:  # anybody may have sent it: it does not count, and the plan does not apply
            arrivals, answered = [0] * len(events), int(HTTPStatus.FORBIDDEN)
        else:
            arrivals = [self._arrived(str(each.get("id"))) for each in events]
            answered = self._plan.answer(arrivals)
        for event, arrival in zip(events, arrivals, strict=True):
            self._tell(Seen(event, arrival, signature, answered, len(events) - 1))
        return answered

    def _probed(self) -> int:
        """The status for a probe: a plan that always fails fails probes, too; one that fails at first does not."""
        return self._plan.status if self._plan.fail_first is None else HTTPStatus.OK

    def _arrived(self, event_id: str) -> int:
        name = hashlib.sha256(event_id.encode(errors="surrogatepass")).digest()  # bounds the memory for long ids
        count = self._arrivals.pop(name, 0) + 1
        self._arrivals[name] = count
        if len(self._arrivals) > _REMEMBERED:
            self._arrivals.popitem(last=False)
        return count


def _events(body: bytes) -> Sequence[Mapping[str, object]] | None:
    """The CloudEvents in ``body``; None if it is something else."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return None
    return found
