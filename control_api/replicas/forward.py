"""Forwards a request to the primary, and returns its answer."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import aiohttp
import orjson
from aiohttp import hdrs, web
from yarl import URL

from control_api.replicas.forwarded import ELSEWHERE, HEADER, WRITTEN, ForwardedRequest, token
from control_api.replicas.links import Links
from control_api.replicas.primacy import Primacy
from control_api.replicas.terms import Followed, Primary
from eventstreams.control.vault import Vault
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics

_ANSWER_S: Final = 60.0  # the longest that a client waits; a preview takes ten seconds
_READ_BACK_S: Final = 3.0  # after that, the answer is sent although this replica has not read the write yet
# Hop-by-hop headers, and those that aiohttp sets itself for the body, which it has decompressed.
_NOT_PASSED: Final = frozenset(
    name.lower()
    for name in (
        hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.PROXY_AUTHENTICATE, hdrs.PROXY_AUTHORIZATION, hdrs.TE, hdrs.TRAILER,
        hdrs.TRANSFER_ENCODING, hdrs.UPGRADE, hdrs.CONTENT_LENGTH, hdrs.CONTENT_ENCODING, hdrs.EXPECT,
        hdrs.ACCEPT_ENCODING, HEADER, WRITTEN, ELSEWHERE, hdrs.DATE, hdrs.SERVER,
    )
)  # fmt: skip

_log = get_logger(__name__)


class Forwarder:
    """Forwards requests to the primary. Use as ``async with``."""

    def __init__(self, vault: Vault, primacy: Primacy, followed: Mapping[str, Followed], metrics: Metrics) -> None:
        self._vault = vault
        self._primacy = primacy
        self._followed = followed
        self._metrics = metrics
        self._links = Links(vault)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._links.__aexit__(kind, error, trace)

    async def send(
        self, primary: Primary, request: web.Request, body: bytes, forwarded: ForwardedRequest
    ) -> web.Response | None:
        """The answer of ``primary``, once this replica has read what it wrote.

        None if it is no longer the primary or did not answer. Then it is not known what it did, so the request must go
        to the next primary with the same ``forwarded.request``: that one does not repeat what was done.
        """
        asking = asyncio.create_task(self._ask(primary, request, body, forwarded), name="forward")
        try:
            while not asking.done() and self._primacy.other == primary:
                # A suspended process keeps its connections and never answers.
                moving = asyncio.create_task(self._primacy.moved(within_s=_ANSWER_S), name="moved")
                try:
                    await asyncio.wait({asking, moving}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    moving.cancel()
            answer = await asking if asking.done() else None
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.info("request.not_forwarded", because=type(error).__name__, follows="it goes to the next primary")
            answer = None
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        self._metrics.api_forwarded.labels("unanswered" if answer is None else "answered").inc()
        return answer

    async def _ask(
        self, primary: Primary, request: web.Request, body: bytes, forwarded: ForwardedRequest
    ) -> web.Response | None:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _NOT_PASSED]

        async def exchange(session: aiohttp.ClientSession) -> tuple[web.Response, str | None] | None:
            async with session.request(
                request.method,
                URL(f"{primary.url}{forwarded.path}", encoded=True),
                data=body,
                headers=[*headers, (HEADER, token(self._vault, forwarded))],
                allow_redirects=False,
                skip_auto_headers=(hdrs.USER_AGENT, hdrs.CONTENT_TYPE),
            ) as answer:
                if ELSEWHERE in answer.headers:
                    return None
                told = web.Response(status=answer.status, body=await answer.read())
                told.headers.popall(hdrs.CONTENT_TYPE, None)
                told.headers.extend(
                    (name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED
                )
                return told, answer.headers.get(WRITTEN)

        found = await self._links.over(primary, exchange)
        if found is None:
            return None
        told, written = found
        if written is not None:
            await self._read_back(orjson.loads(written))
        return told

    async def reaches(self, primary: Primary) -> bool:
        """Whether ``primary`` answers, and proves its identity."""
        try:
            return await self._links.reaches(primary)
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _read_back(self, written: Mapping[str, int]) -> None:
        try:
            async with asyncio.timeout(_READ_BACK_S):
                for topic, end in written.items():
                    if topic in self._followed:
                        await self._followed[topic].wait_until(end)
        except TimeoutError:
            _log.warning("write.not_read_back", follows="the answer does not wait for it")
