"""The smoke test itself: creates a sink and a subscription, publishes events, and checks that each arrives."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson
from pydantic import SecretStr

from eventstreams.client import ApiError, AsyncEventStreams, Connection
from eventstreams.errors import EventStreamsError
from eventstreams.smoke.receiver import SmokeReceiver
from eventstreams.trust import tls_to

EVENT_TYPE: Final = "com.twilio.messaging.message.sent"
_ASK_S: Final = 5.0
_LOOK_S: Final = 0.5
_CLEAN_S: Final = 30.0

Say = Callable[[str, str], None]
"""Called with each result: what it is about, and a sentence."""


class SmokeError(EventStreamsError):
    """The installation does not work; the text says where the test stopped, and what to check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is tested. ``api`` and ``gateway`` are URLs without a path."""

    api: str
    gateway: str
    account_sid: str
    auth_token: SecretStr

    @property
    def token(self) -> str:
        return self.auth_token.get_secret_value()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The measurements of a successful smoke test. Times are in seconds, from before publishing until arrival."""

    delivered: int
    duplicates: int
    fastest_s: float
    slowest_s: float


async def run_smoke(
    installation: Installation, receiver: SmokeReceiver, *, events: int, timeout_s: float, say: Say
) -> Found:
    """Subscribe ``receiver``, which must be listening, publish ``events`` events and wait until each has arrived.

    Whatever was created is removed again, even if the test fails.

    Raises:
        SmokeError: a step failed, or did not end within ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    for name, url in (("api", installation.api), ("gateway", installation.gateway)):
        await _until_it_answers(name, url, deadline, say)
        say(name, f"answers at {url}")
    async with AsyncEventStreams(installation.api, installation.account_sid, installation.token) as api:
        try:
            async with _subscribed(api, receiver.url, say) as sink_sid:
                began, ids = time.monotonic(), await _publish(installation, events)
                say("published", f"{events} events, acknowledged by Kafka")
                missing = await receiver.wait_for(ids, timeout_s=max(deadline - time.monotonic(), 0))
                if missing or receiver.forged:
                    raise SmokeError(await _why(api, sink_sid, receiver, missing, events))
                took = [receiver.first[each] - began for each in ids]
                found = Found(
                    delivered=len(ids),
                    duplicates=sum(receiver.times[each] - 1 for each in ids),
                    fastest_s=min(took),
                    slowest_s=max(took),
                )
                say("delivered", f"{found.delivered} events, each signed; the slowest after {found.slowest_s:.2f} s")
        except ApiError as error:
            raise SmokeError(f"the API at {installation.api}: {error.message}") from error
    return found


async def _until_it_answers(name: str, url: str, deadline: float, say: Say) -> None:
    last, waiting = "no answer", False
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as session:
        while True:
            try:
                async with session.get(url, ssl=tls_to(url)) as answer:  # any answer but a server error will do
                    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        return
                    last = f"it answered {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                last = str(error) or type(error).__name__
            if time.monotonic() > deadline:
                raise SmokeError(f"{name} at {url} does not answer: {last}")
            if not waiting:
                say(
                    name, f"does not answer at {url} yet ({last}): retrying until it does, or the time limit is reached"
                )
                waiting = True
            await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _subscribed(api: AsyncEventStreams, destination: str, say: Say) -> AsyncIterator[str]:
    """Subscribe a sink to ``destination`` while inside; yields the sink's SID."""
    ask = api.connection
    sink = await ask.post(
        "/v1/Sinks",
        [
            ("Description", "Smoke test"),
            ("SinkType", "webhook"),
            ("SinkConfiguration", orjson.dumps({"destination": destination}).decode()),
        ],
    )
    sink_sid = str(sink["sid"])
    try:
        subscription = await ask.post(
            "/v1/Subscriptions",
            [
                ("Description", "Smoke test"),
                ("SinkSid", sink_sid),
                ("Types", orjson.dumps({"type": EVENT_TYPE}).decode()),
            ],
        )
        say("subscribed", f"{destination} to {EVENT_TYPE}")
        try:
            yield sink_sid
        finally:
            await _remove(ask, f"/v1/Subscriptions/{subscription['sid']}", say)
    finally:
        await _remove(ask, f"/v1/Sinks/{sink_sid}", say)


async def _remove(ask: Connection, path: str, say: Say) -> None:
    """Delete what was created. A failure to do so is reported, but does not change the test's result."""
    try:
        async with asyncio.timeout(_CLEAN_S):
            await ask.delete(path)
    except (ApiError, TimeoutError) as error:
        say("left behind", f"{path}: {str(error) or type(error).__name__}")
    else:
        say("removed", path)


async def _publish(installation: Installation, count: int) -> Sequence[str]:
    """Publish ``count`` events through the gateway; returns their ids."""
    auth = {"Authorization": aiohttp.encode_basic_auth(installation.account_sid, installation.token)}
    headers = auth | {"Content-Type": "application/cloudevents-batch+json"}
    body = orjson.dumps([_event(installation.account_sid) for _ in range(count)])
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=_CLEAN_S)) as session,
            session.post(f"{installation.gateway}/v1/Events", data=body, ssl=tls_to(installation.gateway)) as answer,
        ):
            status, told = answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise SmokeError(f"the gateway at {installation.gateway} was sent events but did not answer: {why}") from error
    if status != HTTPStatus.ACCEPTED:
        raise SmokeError(f"the gateway refuses events with status {status}: {_message(told)}")
    return [str(each) for each in orjson.loads(told)["ids"]]


def _event(account_sid: str) -> Mapping[str, object]:
    message_sid = f"SM{secrets.token_hex(16)}"
    return {
        "specversion": "1.0",
        "type": EVENT_TYPE,
        "source": f"/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}.json",
        "data": {
            "messageSid": message_sid,
            "accountSid": account_sid,
            "eventName": EVENT_TYPE,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "messageStatus": "SENT",
            "apiVersion": "2010-04-01",
            "from": "+15005550006",
            "to": "+15005550010",
        },
    }


def _message(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["message"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return "it is not an Event Streams gateway"


async def _why(
    api: AsyncEventStreams, sink_sid: str, receiver: SmokeReceiver, missing: Sequence[str], events: int
) -> str:
    """What is known about the events that did not arrive, in a sentence."""
    if receiver.forged:
        return (
            f"{receiver.forged} deliveries arrived with a signature that does not match this account's token and "
            f"{receiver.url}: something on the way changes them, or the token was rotated"
        )
    try:
        health = await api.sink_health(sink_sid)
    except ApiError as error:
        known = f"the API cannot say why ({error.message})"
    else:
        known = health.summary
        if health.last_error is not None:
            known += f" The last error: {health.last_error.detail}"
    return f"{len(missing)} of {events} events did not arrive at {receiver.url}. {known}"
