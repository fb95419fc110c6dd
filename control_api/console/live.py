"""Live parts of a page: sent each second as server-sent events, while the browser is connected."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from control_api.console.page_request import PageRequest
from eventstreams.http import RefusedError, unavailable
from eventstreams.http.limits import too_often

EVERY_S: Final = 1.0
_LASTS_S: Final = 600.0  # then the browser reconnects by itself, and one that has silently left is forgotten
_WRITE_S: Final = 20.0  # until a browser counts as not reading
_MOST: Final = 200  # streams of all accounts: each makes two requests to the API a second
_OF_ONE: Final = 10  # streams of one account: a browser opens up to six
_OF_HOUSEHOLD: Final = 40  # streams of an account and its subaccounts, of which there may be a thousand
_AGAIN_MS: Final = 2_000

Look = Callable[[], Awaitable[Mapping[str, str]]]
"""What a page shows now: the HTML of each part, by the name in its ``sse-swap``."""


class Streams:
    """Counts and limits the open streams of this process."""

    def __init__(self, customer_of: Callable[[str], str] = str) -> None:
        """``customer_of``: maps the SID of a subaccount to its owner's, as they share a limit."""
        self._customer_of = customer_of
        self._open: Counter[str] = Counter()
        self._of_households: Counter[str] = Counter()
        self.stopping = asyncio.Event()

    @contextmanager
    def place(self, account_sid: str) -> Iterator[None]:
        """Take a place for one more stream, inside the block.

        Raises:
            RefusedError: there is none; the page stays as it was loaded.
        """
        owner_sid = self._customer_of(account_sid)
        if self._open[account_sid] >= _OF_ONE or self._of_households[owner_sid] >= _OF_HOUSEHOLD:
            raise too_often("Too many live pages are open for this account: close some", wait_s=_LASTS_S)
        if self._open.total() >= _MOST:
            raise unavailable("Too many live pages are open right now: reload this one to see more")
        self._open[account_sid] += 1
        self._of_households[owner_sid] += 1
        try:
            yield
        finally:
            for counted, sid in ((self._open, account_sid), (self._of_households, owner_sid)):
                counted[sid] -= 1
                if not counted[sid]:
                    del counted[sid]

    async def stop(self, _: web.Application) -> None:
        """End all streams, because the process stops."""
        self.stopping.set()


STREAMS: Final = web.AppKey("streams", Streams)


async def stream(page: PageRequest, look: Look) -> web.StreamResponse:
    """Send what has changed in the result of ``look``, each second, until the browser leaves or its session ends."""
    streams = page.request.app[STREAMS]
    with streams.place(page.session.account_sid):
        answer = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: "text/event-stream",
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",  # else nginx would buffer it
            }
        )
        await answer.prepare(page.request)
        try:
            await _follow(page, look, answer, streams.stopping)
        except (ConnectionError, TimeoutError):
            page.request.protocol.force_close()  # the browser has left, or does not read
        return answer


async def _follow(page: PageRequest, look: Look, answer: web.StreamResponse, stopping: asyncio.Event) -> None:
    shown: dict[str, str] = {}
    ends = time.monotonic() + _LASTS_S
    await _write(answer, f"retry: {_AGAIN_MS}\n\n")
    while time.monotonic() < ends and not stopping.is_set():
        try:
            found = {"trouble": "", **await look()}
        except RefusedError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                return
            found = {"trouble": page.render_text("problem_part.html", problem={"message": str(error)})}
        changed = {name: text for name, text in found.items() if shown.get(name) != text}
        shown |= changed
        await _write(answer, "".join(event(name, text) for name, text in changed.items()) or ": nothing new\n\n")
        try:
            async with asyncio.timeout(EVERY_S):
                await stopping.wait()
        except TimeoutError:
            continue


async def _write(answer: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_WRITE_S):
        await answer.write(text.encode())


def event(name: str, text: str) -> str:
    """One server-sent event. Any kind of line break in ``text`` begins a new ``data`` line."""
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in text.splitlines() or [""]) + "\n"
