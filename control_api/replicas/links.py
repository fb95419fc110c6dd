"""Connections to the primary, each of which has proven that it ends there.

Addresses change owners: before anybody notices that a process died, there may be another program at its address. But
requests contain secrets, and a stranger's 404 is no answer. So each connection is proven, and nothing is sent over an
unproven one.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp

from control_api.replicas.forwarded import CHALLENGE, PROVE_PATH, is_proof
from control_api.replicas.terms import Primary
from eventstreams.answer_body import read_at_most
from eventstreams.control.vault import Purpose, Vault
from eventstreams.telemetry.logging import get_logger
from eventstreams.trust import tls_to

_ANSWER_S: Final = 60.0  # the longest that a client waits; a preview takes ten seconds
_CONNECT_S: Final = 2.0
_PROOF_S: Final = 2.0
_MOST_PROOF: Final = 4096
_MOST_LINKS: Final = 100  # concurrent requests; further ones wait
_MOST_IDLE: Final = 16  # kept for the next requests

T = TypeVar("T")

_log = get_logger(__name__)


class _ClosedError(aiohttp.ClientConnectionError):
    """The connection is gone. A request over a link may be sent again, because it has a name."""


class Link:
    """One connection to ``url``, for one request at a time. ``session`` fails instead of connecting again."""

    def __init__(self, url: str) -> None:
        self._connected = False
        only_one = aiohttp.TraceConfig()
        only_one.on_connection_create_start.append(self._connect)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=tls_to(url)),
            timeout=aiohttp.ClientTimeout(total=_ANSWER_S, sock_connect=_CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[only_one],
        )

    async def _connect(self, *_: object) -> None:
        if self._connected:
            raise _ClosedError("the connection was closed")
        self._connected = True


class Links:
    """A pool of links to the primary. Use as ``async with``."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._room = asyncio.Semaphore(_MOST_LINKS)
        self._primary: Primary | None = None
        self._idle: list[Link] = []  # to that primary
        self._warned_of: Primary | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._forget()

    async def over(self, primary: Primary, use: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T | None:
        """Call ``use`` with a link to ``primary``; None if another process listens at its address.

        Raises what ``use`` raises, and ``aiohttp.ClientError`` or ``TimeoutError`` if nobody answers.
        """
        async with self._room:
            while True:
                link, is_new = self._take(primary), False
                if link is None:
                    link, is_new = await self._open(primary), True
                if link is None:
                    return None
                keeps = False
                try:
                    found = await use(link.session)
                    keeps = True
                except _ClosedError:
                    if is_new:
                        self._warn(primary, "primary.keeps_no_connection")
                        return None
                else:
                    return found
                finally:
                    await self._put(primary, link, keeps=keeps)

    async def reaches(self, primary: Primary) -> bool:
        """Whether ``primary`` listens at its address. Raises like ``over`` if nobody answers."""
        link = self._take(primary) or await self._open(primary)
        if link is not None:
            await self._put(primary, link, keeps=True)
        return link is not None

    def _take(self, primary: Primary) -> Link | None:
        return self._idle.pop() if self._idle and self._primary == primary else None

    async def _put(self, primary: Primary, link: Link, *, keeps: bool) -> None:
        if keeps and self._primary != primary:
            await self._forget()
            self._primary = primary
        if keeps and len(self._idle) < _MOST_IDLE:
            self._idle.append(link)
        else:
            await link.session.close()

    async def _forget(self) -> None:
        idle, self._idle = self._idle, []
        for link in idle:
            await link.session.close()

    async def _open(self, primary: Primary) -> Link | None:
        link, proven = Link(primary.url), False
        try:
            proven = await self._prove(primary, link.session)
        finally:
            if not proven:
                await link.session.close()
        if not proven:
            self._warn(primary, "primary.not_proven")
            return None
        return link

    async def _prove(self, primary: Primary, session: aiohttp.ClientSession) -> bool:
        """Whether the process at the URL proves that it is ``primary``."""
        nonce = secrets.token_hex(16)
        limit = aiohttp.ClientTimeout(total=_PROOF_S)
        headers = {CHALLENGE: self._vault.lock(nonce, Purpose.CHALLENGE, primary.replica)}
        url = f"{primary.url}{PROVE_PATH}"
        async with session.get(url, headers=headers, allow_redirects=False, timeout=limit) as answer:
            proof = (await read_at_most(answer, _MOST_PROOF)).decode(errors="replace")
        return is_proof(self._vault, proof, replica=primary.replica, nonce=nonce)

    def _warn(self, primary: Primary, what: str) -> None:
        if self._warned_of != primary:
            self._warned_of = primary
            _log.warning(what, url=primary.url, follows="nothing is sent to it")
