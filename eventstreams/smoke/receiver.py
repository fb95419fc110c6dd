"""The webhook receiver of a smoke test: accepts what is signed with the account's token, and records when it came."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web
from pydantic import SecretStr

from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_towards, open_socket

_MAX_BODY: Final = 1 << 20  # a delivery has at most a hundred small events
_PATH: Final = "/eventstreams-smoke"


class SmokeReceiver:
    """Records the time of each event's first arrival, and how often each arrived."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token
        self.url = ""
        self.first: dict[str, float] = {}
        self.times: Counter[str] = Counter()
        self.forged = 0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def listening(self, listen: str, *, reached_at: str | None, seen_by: str) -> AsyncIterator[None]:
        """Receive deliveries while inside.

        Args:
            listen: ``host:port``; port 0 means any.
            reached_at: URL at which workers reach this receiver; None: made from our own address towards ``seen_by``.
            seen_by: URL of some part of the installation.

        Raises:
            EventStreamsError: it cannot listen there.
        """
        host = None if reached_at else address_towards(seen_by)  # before anything is open: it may not be reached
        opened = open_socket(listen, setting="--listen")
        self.url = reached_at or f"http://{host}:{opened.getsockname()[1]}{_PATH}"
        app = web.Application(client_max_size=_MAX_BODY)
        # Behind a proxy the path may be another one. Else whatever is sent elsewhere, as by a scanner, is no delivery.
        app.router.add_post("/{path:.*}" if reached_at else _PATH, self._take)
        async with serve_app(app, opened):
            yield

    async def wait_for(self, ids: Sequence[str], *, timeout_s: float) -> Sequence[str]:
        """Wait until all of ``ids`` have arrived, for at most ``timeout_s`` seconds; returns the missing ones."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.first.keys() >= set(ids):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return [each for each in ids if each not in self.first]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        query = request.raw_path.partition("?")[2]
        if not self._is_genuine(query, body, request.headers.get("X-Twilio-Signature", "")):
            self.forged += 1
            return web.Response(status=HTTPStatus.FORBIDDEN)
        for event in orjson.loads(body):
            self.first.setdefault(str(event["id"]), time.monotonic())
            self.times[str(event["id"])] += 1
        self._changed.set()
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def _is_genuine(self, query: str, body: bytes, given: str) -> bool:
        """Check as docs/sinks/webhook.md tells receivers to: the body's hash is in the URL, and the URL is signed."""
        url = f"{self.url}{'&' if '?' in self.url else '?'}bodySHA256={hashlib.sha256(body).hexdigest()}"
        signed = base64.b64encode(hmac.digest(self._token.get_secret_value().encode(), url.encode(), "sha1")).decode()
        return url.endswith(query) and hmac.compare_digest(signed.encode(), given.encode(errors="replace"))
