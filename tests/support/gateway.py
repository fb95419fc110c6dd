"""A gateway on the real broker, and a client that posts to it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from eventstreams.control.records import ApiKey, KeyScope
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from producers.gateway.role import serve
from tests.support.events import SENT, message_event
from tests.support.installation import TOKEN, Installation, header
from tests.support.topic import read_topic

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
SECRET = "secret-of-the-key"
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


def cloudevent(number: int, **changes: object) -> dict[str, object]:
    event = message_event("AC" + "1" * 32, number)
    made = {"specversion": "1.0", "id": f"EZ{number}", "type": SENT, "source": event.source, "data": event.data}
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def api_key(account_sid: str, scope: KeyScope) -> ApiKey:
    """Return an API key of the account, whose secret is ``SECRET``."""
    return ApiKey(
        sid=new_sid(SidKind.API_KEY),
        account_sid=account_sid,
        friendly_name="",
        scope=scope,
        secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
        created_ms=1,
        updated_ms=1,
    )


@dataclass
class Gateway:
    """A running gateway and a client that posts to it."""

    installation: Installation
    session: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str] = field(default_factory=CIMultiDict)
    """Headers of the last response."""

    async def post(
        self, body: object, headers: Mapping[str, str] = STRUCTURED, *, token: str = TOKEN
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        credentials = {"Authorization": aiohttp.encode_basic_auth(self.installation.account_sid, token)}
        async with self.session.post(self.url, data=BytesIO(data), headers={**headers, **credentials}) as answer:
            self.headers = answer.headers.copy()
            return answer.status, await answer.json()

    async def raw(self, head: bytes, body: bytes = b"") -> tuple[int, str]:
        """POST with the raw header lines ``head``; return the status and the whole response."""
        credentials = aiohttp.encode_basic_auth(self.installation.account_sid, TOKEN).encode()
        url = URL(self.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            first = b"POST /v1/Events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %s\r\n"
            writer.write(first % credentials + head + b"\r\n" + body)
            answer = await reader.read()
        finally:
            writer.close()
        return int(answer.split()[1]), answer.decode()

    async def accepted(self, count: int) -> list[str]:
        """Return the first ``count`` ids on the events topic, which has one partition here."""
        records = await read_topic(self.installation.settings, self.installation.topics.events, count)
        return [header(record, "ce_id") for record in records]


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    with open_socket("127.0.0.1:0", setting="test") as listening:
        url = f"http://{address_of(listening)}/v1/Events"
        handed_over = listening.detach()
    served = settings.model_copy(update={"gateway_listen": f"fd://{handed_over}"})
    async with Installation(served) as installation, aiohttp.ClientSession() as session:
        await installation.start(serve)
        yield Gateway(installation, session, url)
