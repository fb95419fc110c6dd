"""The receivers of a run, as one web application: each has a path of its own, and misbehaves as specified."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from eventstreams.verify.behaviours import (
    BEHAVIOURS,
    Answer,
    Behaviour,
    Decide,
    Hang,
    Listener,
    Reaction,
    Reset,
    Seen,
    is_refusal,
    is_success,
)
from eventstreams.verify.inspection import Expected, Finding, Inspector
from eventstreams.verify.ledger import Count, Ledger, Tally
from eventstreams.verify.plan import Plan, types_for
from eventstreams.verify.signatures import SignatureCheck

_MAX_BODY: Final = 8 << 20
_FORBIDDEN: Final = 403
_OK: Final = Answer(200)
_PIECE: Final = b"x" * (64 << 10)
_RST: Final = struct.pack("ii", 1, 0)  # SO_LINGER with zero timeout: closing resets the connection


class ReceiverSpec(BaseModel):
    """The specification of one receiver. ``url`` is its sink's destination."""

    model_config = ConfigDict(frozen=True)

    behaviour: str
    url: str
    auth_token: str = Field(repr=False)
    standard_secret: str | None = Field(repr=False)
    account_sid: str
    ttl_s: float
    seed: int


@dataclass(slots=True)
class _Receiver:
    behaviour: Behaviour
    inspector: Inspector
    tally: Tally
    decide: Decide

    def recover(self) -> None:
        if self.behaviour.recovers:
            self.decide = lambda _: _OK


class Receivers:
    """All receivers of a run. Give an ``app()`` to each server."""

    def __init__(
        self,
        specs: Sequence[ReceiverSpec],
        plan: Plan,
        ledger: Ledger,
        tallies: Sequence[Tally],
        note: Callable[[int, Finding], None],
    ) -> None:
        """``note``: called with wrong deliveries and the receiver's position."""
        self._ledger = ledger
        self._receivers = [
            _Receiver(
                BEHAVIOURS[spec.behaviour],
                _inspector(position, spec, plan, ledger, tally, note),
                tally,
                BEHAVIOURS[spec.behaviour].make(random.Random(f"{spec.seed}.{position}")),  # noqa: S311 - no secret
            )
            for position, (spec, tally) in enumerate(zip(specs, tallies, strict=True))
        ]

    def app(self) -> web.Application:
        """A new application, for one server."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/{position:[0-9]+}", self._take)
        return app

    def recover(self) -> None:
        """Make the receivers that can recover healthy from now on."""
        for each in self._receivers:
            each.recover()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        position = int(request.match_info["position"])
        if position >= len(self._receivers):
            raise web.HTTPNotFound
        receiver = self._receivers[position]
        body = await request.read()
        receiver.tally.count(Count.REQUESTS)
        if receiver.behaviour.listener is Listener.FORBIDDEN:
            receiver.inspector.is_forbidden()
        query = request.raw_path.partition("?")[2]
        seen = receiver.inspector.look(query, request.headers, body, now=time.time())
        if seen is None:
            return web.Response(status=_FORBIDDEN)
        reaction = receiver.decide(seen)
        if not is_success(reaction):
            receiver.tally.count(Count.FAILED_ON_PURPOSE)
        if is_refusal(reaction, seen):
            receiver.tally.refused(seen.numbers[0])
        return await self._react(request, reaction, receiver, seen)

    async def _react(
        self, request: web.Request, reaction: Reaction, receiver: _Receiver, seen: Seen
    ) -> web.StreamResponse:
        match reaction:
            case Answer():
                await asyncio.sleep(reaction.after_s)
                if is_success(reaction) and request.transport is not None and not request.transport.is_closing():
                    self._accept(receiver.tally, seen)
                return await _answer(request, reaction, close=receiver.behaviour.listener is Listener.TLS)
            case Hang():
                await asyncio.sleep(reaction.for_s)
            case Reset():
                pass
        if request.transport is not None:
            opened = request.transport.get_extra_info("socket")
            if opened is not None:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            request.transport.abort()
        return web.Response()

    def _accept(self, tally: Tally, seen: Seen) -> None:
        now = time.time()
        for number in seen.numbers:
            tally.accepted(number, now - self._ledger.sent_at(number))


async def _answer(request: web.Request, answer: Answer, *, close: bool) -> web.StreamResponse:
    if not answer.size:
        found: web.StreamResponse = web.Response(status=answer.status, headers=answer.headers)
        if close:  # so that the next request is shown the certificate that is then current
            found.force_close()
        return found
    found = web.StreamResponse(status=answer.status, headers=answer.headers)
    await found.prepare(request)
    try:
        for _ in range(answer.size // len(_PIECE)):
            await found.write(_PIECE)
    except ConnectionError:  # the worker does not read so much
        pass
    return found


def _inspector(
    position: int, spec: ReceiverSpec, plan: Plan, ledger: Ledger, tally: Tally, note: Callable[[int, Finding], None]
) -> Inspector:
    return Inspector(
        Expected(spec.account_sid, frozenset(types_for(position)), spec.url, spec.ttl_s),
        SignatureCheck(spec.auth_token, spec.standard_secret),
        plan,
        ledger,
        tally,
        lambda finding: note(position, finding),
    )
