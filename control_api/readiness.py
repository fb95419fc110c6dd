"""Readiness of the whole installation: this process's, then that of every configured role."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import web

from eventstreams.process import Health
from eventstreams.trust import tls_to

_ASK_S: Final = 2.0


def readiness_routes(health: Health, others: Sequence[str]) -> list[web.RouteDef]:
    """/livez for this process; /readyz for it and for ``others``: URLs that answer 200 when they are ready."""

    async def livez(_: web.Request) -> web.Response:
        return _answer(health.not_alive())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.not_ready() or await _first_problem(others))

    return [web.get("/livez", livez), web.get("/readyz", readyz)]


async def _first_problem(urls: Sequence[str]) -> str | None:
    if not urls:
        return None
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as session:
        problems = await asyncio.gather(*(_problem(session, url) for url in urls))
    return next((problem for problem in problems if problem is not None), None)


async def _problem(session: aiohttp.ClientSession, url: str) -> str | None:
    try:
        async with session.get(url, ssl=tls_to(url)) as answer:
            if answer.status == HTTPStatus.OK:
                return None
            return f"{url}: {(await answer.text())[:200].strip()}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{url}: {type(error).__name__}"


def _answer(problem: str | None) -> web.Response:
    status = HTTPStatus.OK if problem is None else HTTPStatus.SERVICE_UNAVAILABLE
    return web.Response(status=status, text=f"{problem or 'ok'}\n")
