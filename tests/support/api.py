"""A running API, Twilio's own client for it, and requests that no client would send."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from control_api.role import serve
from eventstreams.process import Process
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.testing.receiver import Receiver
from tests.support.contract import check
from tests.support.installation import TOKEN, Installation
from tests.support.recording import Checking
from tests.support.topic import PATIENCE_S

T = TypeVar("T")
WEBHOOK = {"destination": "https://hooks.example.com/a", "method": "POST", "batch_events": False}


class Api:
    """A running API, and Twilio's client for it."""

    def __init__(self, installation: Installation, url: str) -> None:
        self.installation = installation
        self.url = url
        self.client = self.client_of(installation.account_sid, TOKEN)

    def client_of(self, account_sid: str, token: str) -> Client:
        client = Client(account_sid, token, http_client=Checking())
        client.events.base_url = self.url
        return client

    async def sink(self, **changes: object) -> Any:
        wanted = {"description": "a sink", "sink_type": "webhook", "sink_configuration": WEBHOOK, **changes}
        return await call(lambda: self.client.events.v1.sinks.create(**wanted))

    async def subscription(self, sink_sid: str, *types: str, **changes: object) -> Any:
        wanted = {"description": "a subscription", "sink_sid": sink_sid, "types": [{"type": each} for each in types]}
        return await call(lambda: self.client.events.v1.subscriptions.create(**{**wanted, **changes}))


async def call(work: Callable[[], T]) -> T:
    """Run a blocking client call in a thread, so that the server can go on."""
    return await asyncio.to_thread(work)


async def refusal(work: Callable[[], object]) -> TwilioRestException:
    """Return the error that ``work`` raises."""
    with pytest.raises(TwilioRestException) as caught:
        await call(work)
    return caught.value


async def until_ready(url: str) -> None:
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(settings: Settings, metrics: Metrics | None = None) -> AsyncIterator[str]:
    """Run the API as a role on a free port inside the block, counting in ``metrics``; yields its URL."""
    with open_socket("127.0.0.1:0", setting="test") as listening:
        url = f"http://{address_of(listening)}"
        handed_over = listening.detach()
    settings = settings.model_copy(update={"api_listen": f"fd://{handed_over}"})
    process = Process(settings, get_logger("test"), metrics or Metrics())
    running = asyncio.create_task(serve(process))
    try:
        await until_ready(url)
        yield url
    finally:
        process.stopping.set()
        await running
    if process.crashed is not None:
        raise process.crashed


async def with_new_account(api: Api) -> Api:
    """Return the same API as another, new account, once the API knows it."""
    known = authorization(api)
    await api.installation.new_account()
    # A write through the API is answered only after the API has read everything written before.
    async with aiohttp.ClientSession(api.url, headers=known) as session:
        sid = await _made_key(session)
        async with session.delete(f"/v1/Keys/{sid}") as deleted:
            assert deleted.status == 204
    return Api(api.installation, api.url)


async def until_the_worker_knows(api: Api) -> None:
    """Return once a worker for webhooks has read all earlier changes.

    It reads them in order, and a test event can only be sent to a sink that it knows.
    """
    async with Receiver() as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        await call(sink.sink_test.create)
        await receiver.wait_for(lambda: bool(receiver.received))


async def _made_key(session: aiohttp.ClientSession) -> str:
    """Return a new API key's SID, once a process accepts writes: on a busy machine, none may do so for a while."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with session.post("/v1/Keys") as made:
                if made.status != 503:
                    assert made.status == 201, await made.text()
                    sid: str = (await made.json())["sid"]
                    return sid
            await asyncio.sleep(0.2)


async def raw(
    api: Api, method: str, path: str, *, data: bytes | None = None, content_type: str | None = None
) -> tuple[int, Any]:
    headers = authorization(api) | ({"Content-Type": content_type} if content_type else {})
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, api.url + path, data=data, headers=headers) as answer,
    ):
        check(method, answer.url.path, answer.status, await answer.read())
        return answer.status, await answer.json()


def authorization(api: Api) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(api.installation.account_sid, TOKEN)}


async def post_form(api: Api, path: str, **fields: str) -> tuple[int, Any]:
    """POST ``fields`` as a form, as clients do; return status and JSON."""
    data = urlencode(fields).encode()
    return await raw(api, "POST", path, data=data, content_type="application/x-www-form-urlencoded")
