"""Routes requests: reads are handled here, writes on the primary, and each only once however often it is sent."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from control_api.replicas.answer_cache import RequestName
from control_api.replicas.answers import AnotherRequestError, Answers
from control_api.replicas.forward import Forwarder
from control_api.replicas.forwarded import ELSEWHERE, FORWARDED, WRITTEN, ForwardedRequest, target
from control_api.replicas.primacy import Primacy
from control_api.replicas.rounds import Unit
from control_api.replicas.terms import NotPrimaryError
from control_api.replicas.writing import Writing
from eventstreams.http import ACCOUNT, RefusedError, read_body, unavailable
from eventstreams.times import Clock

KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")  # a UUID has 36
_WRITES: Final = frozenset({hdrs.METH_POST, hdrs.METH_DELETE, hdrs.METH_PUT, hdrs.METH_PATCH})
_PRIMARY_S: Final = 15.0  # a dead primary is replaced within 8 s: clients see a delay and no error
_LAST_S: Final = 3.0  # in a process that stops, which aborts what takes longer than five seconds
_LOOK_S: Final = 0.2


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    takers: int = 0


class WriteRouter:
    """Provides the middleware that routes writes. It must come after authentication, so that only allowed requests
    are forwarded.

    Every write has a name: the client's ``Idempotency-Key``, or one that the first replica gives it. Whenever it is not
    known what became of a write, because the primary died or was fenced, it is sent again under its name, and is
    carried out if and only if it was not before.
    """

    def __init__(
        self, primacy: Primacy, writing: Writing, answers: Answers, forwarder: Forwarder, *, clock: Clock
    ) -> None:
        self._primacy = primacy
        self._writing = writing
        self._answers = answers
        self._forwarder = forwarder
        self._clock = clock
        self._turns: dict[str, _Turn] = {}

    def middleware(self) -> Middleware:
        """The middleware that gets each request its answer, here or from the primary."""

        @web.middleware
        async def route(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._route(request, handler)

        return route

    async def _route(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in _WRITES or request.match_info.http_exception is not None:
            return await handler(request)
        body = await read_body(request)
        forwarded, key = request.get(FORWARDED), _client_key(request)
        own = forwarded.request if forwarded is not None else secrets.token_hex(16)
        owner = _owner(request)
        name = RequestName(
            digest=_digest(owner, key or own),
            owner=owner,
            by_client=key is not None,
            content=_digest(request.method, target(request), request.content_type, body=body),
        )
        began = asyncio.get_running_loop().time()
        while True:
            answer = await self._anywhere(request, handler, body, name, own)
            if answer is not None:
                return answer
            problem = unavailable("No API process accepts writes right now: try again")
            if forwarded is not None:
                problem.headers = {**problem.headers, ELSEWHERE: "1"}
                raise problem
            if asyncio.get_running_loop().time() > began + (_LAST_S if self._primacy.resigned else _PRIMARY_S):
                raise problem
            if self._primacy.term is None:
                await self._primacy.moved(within_s=_LOOK_S)

    async def _anywhere(
        self, request: web.Request, handler: Handler, body: bytes, name: RequestName, own: str
    ) -> web.StreamResponse | None:
        """The answer of the primary, here or elsewhere; None if there is none now, or it was replaced meanwhile."""
        if self._primacy.term is not None:
            async with self._in_turn(name):
                return await self._here(request, handler, name)
        primary = self._primacy.other
        if primary is None or FORWARDED in request:
            return None
        forwarded = ForwardedRequest(
            request=own,
            remote=request.remote or "",
            method=request.method,
            path=target(request),
            at_ms=self._clock(),
        )
        return await self._forwarder.send(primary, request, body, forwarded)

    async def _here(self, request: web.Request, handler: Handler, name: RequestName) -> web.StreamResponse | None:
        try:
            found = self._answers.find(name)
        except AnotherRequestError:
            raise RefusedError(
                f"This {KEY} was already used for a different request: use a new one for each request",
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            ) from None
        if found is not None:
            if name.by_client:
                found.headers[REPLAYED] = "true"
            return self._tell(request, found, self._primacy.positions())
        unit = self._writing.begin_request()
        try:
            answer = await self._decided(request, handler, unit)
            await self._remember(unit, name, answer)
            await self._writing.commit_request(unit)
        except NotPrimaryError:
            return None
        finally:
            self._writing.end_request(unit)
        return self._tell(request, answer, unit.ends)

    async def _decided(self, request: web.Request, handler: Handler, unit: Unit) -> web.StreamResponse:
        try:
            return await handler(request)
        except (RefusedError, web.HTTPException):
            await self._writing.drop_request(unit)
            raise

    def _tell(self, request: web.Request, answer: web.StreamResponse, ends: Mapping[str, int]) -> web.StreamResponse:
        """Tell the replica that forwarded ``request`` what it must have read before it answers."""
        if FORWARDED in request and ends:
            answer.headers[WRITTEN] = orjson.dumps(dict(ends)).decode()
        return answer

    async def _remember(self, unit: Unit, name: RequestName, answer: web.StreamResponse) -> None:
        """Write ``answer`` in the same transaction as the request's writes. Refusals are not remembered."""
        done = answer.status < HTTPStatus.BAD_REQUEST and name.by_client
        if isinstance(answer, web.Response) and (unit.records or unit.ends or done):
            record = self._answers.record(name, answer)
            if record is not None:
                await self._writing.add(record)
            elif not unit.ends:
                # If the answer cannot be remembered, the request could be carried out twice: so it is refused.
                raise RefusedError(
                    "The response to this request would be too large: request less at once",
                    status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                )

    @asynccontextmanager
    async def _in_turn(self, name: RequestName) -> AsyncIterator[None]:
        """Handle requests of the same name one at a time: the second finds the answer of the first."""
        turn = self._turns.setdefault(name.key, _Turn())
        turn.takers += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.takers -= 1
            if not turn.takers:
                del self._turns[name.key]


def _client_key(request: web.Request) -> str | None:
    """The client's key of a POST; quotation marks, as in the draft standard, are removed."""
    found = request.headers.getall(KEY, []) if request.method == hdrs.METH_POST else []
    if not found:
        return None
    key = found[0].strip().removeprefix('"').removesuffix('"')
    if len(found) > 1 or not _KEY.fullmatch(key):
        raise RefusedError(f"{KEY} must be given once, with 1 to 255 visible ASCII characters, such as a UUID")
    return key


def _owner(request: web.Request) -> str:
    """The owner of keys: the account, or, for paths without one, a digest of the credentials."""
    account = request.get(ACCOUNT)
    if account is not None:
        sid: str = account.sid
        return sid
    return hashlib.sha256(request.headers.get(hdrs.AUTHORIZATION, "").encode(errors="replace")).hexdigest()


def _digest(*parts: str, body: bytes = b"") -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace") + b"\0" + body).hexdigest()
