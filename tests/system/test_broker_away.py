"""The broker falls silent in the middle of a stream (its process is stopped) and comes back: all resumes by itself."""

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException

from tests.support.gateway import STRUCTURED, cloudevent
from tests.support.stream import SETTLE_S, Stream, open_stream
from tests.support.up import TOKEN, Up, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

RATE = 100.0
# Past the sessions of consumers (10 s), the API's and the gateway's acknowledgements (10 s) and single requests (10 s).
SHORT_S = 15.0
# Past every other time-out as well: 30 s for requests of clients, 60 s for their sockets, a worker's acknowledgements
# and a router's stalled thread, 120 s for what waits for an idempotent producer.
LONG_S = (60.0, 150.0, 60.0, 150.0, 60.0, 150.0)
RESUMED_S = 90.0  # a third of what a stall once took, and ten times what all takes on a machine that is busy
POLL_S = 0.2
ROLES = ("api", "router", "worker-webhook", "gateway")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    env = {"EVENTSTREAMS_RETRY_DELAYS": "500ms,2s", "EVENTSTREAMS_RETRY_PARTITIONS": "4"}
    with running_up(tmp_path_factory.mktemp("up") / "data", env=env) as up:
        yield up


@pytest.fixture
async def stream(up: Up) -> AsyncIterator[Stream]:
    async with open_stream(up) as stream:
        yield stream


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


async def test_all_resumes_by_itself_after_a_broker_was_silent(stream: Stream, http: aiohttp.ClientSession) -> None:
    await _silence(stream, http, SHORT_S)


@pytest.mark.proof
@pytest.mark.parametrize("away_s", LONG_S)
async def test_all_resumes_by_itself_after_minutes_of_silence(
    stream: Stream, http: aiohttp.ClientSession, away_s: float
) -> None:
    await _silence(stream, http, away_s)


async def _silence(stream: Stream, http: aiohttp.ClientSession, away_s: float) -> None:
    """Stop the broker for so long; nobody is restarted, nothing is lost, and everybody is at work again in time."""
    up, before = stream.up, stream.up.about["pids"]
    publishing = asyncio.create_task(
        stream.publish(int(RATE * (away_s + 5)), rate=RATE, ack_timeout_s=away_s + SETTLE_S)
    )
    await stream.delivered(100)

    async with _stopped(up, http, away_s) as dead:
        pass
    routed, delivered = await _routed(up, http), len(stream.receiver.accepted)
    came_back = time.monotonic()
    fresh = f"EZ{uuid.uuid4().hex}"
    took = await asyncio.gather(
        _seconds_until(partial(_takes_an_event, stream, http, fresh), came_back),
        _seconds_until(partial(_takes_a_write, up), came_back),
        _seconds_until(partial(_routes_more, up, http, routed), came_back),
        _seconds_until(partial(_delivers_more, stream, delivered), came_back),
        _seconds_until(partial(_delivers, stream, fresh), came_back),
        *(_seconds_until(partial(_is_ready, up, http, role), came_back) for role in ROLES),
    )
    await stream.all_delivered({*await publishing, fresh})

    told = dict(zip(("accepts", "writes", "routes", "delivers", "a new event", *ROLES), took, strict=True))
    seconds = ", ".join(f"{what} {each:.1f}" for what, each in told.items())
    print(f"after {away_s:g} s: {seconds}, all delivered {time.monotonic() - came_back:.1f}")  # noqa: T201 - for make proof
    assert dead == []  # Kubernetes would have restarted them, which helps nobody
    assert stream.up.about["pids"] == before
    assert max(took) < RESUMED_S, f"{seconds}\n{up.logs()}"


@asynccontextmanager
async def _stopped(up: Up, http: aiohttp.ClientSession, away_s: float) -> AsyncIterator[list[str]]:
    """The broker is stopped for ``away_s``; yields, once it goes on, which roles said meanwhile that they are dead."""
    dead: list[str] = []
    broker = up.about["pids"]["kafka"]
    os.kill(broker, signal.SIGSTOP)
    try:
        until = time.monotonic() + away_s
        while time.monotonic() < until:
            for role in ROLES:
                async with http.get(f"{up.about['admin'][role]}/livez") as answer:
                    if answer.status != 200:
                        dead.append(f"{role}: {await answer.text()}")
            await asyncio.sleep(POLL_S)
    finally:
        os.kill(broker, signal.SIGCONT)
    yield dead


async def _seconds_until(condition: Callable[[], Awaitable[bool]], began: float) -> float:
    """When ``condition`` held, in seconds after ``began``; ``SETTLE_S`` where it did not within so long."""
    while time.monotonic() - began < SETTLE_S:
        if await condition():
            return time.monotonic() - began
        await asyncio.sleep(POLL_S)
    return SETTLE_S


async def _takes_an_event(stream: Stream, http: aiohttp.ClientSession, event_id: str) -> bool:
    """Whether the gateway accepts the event now. An event that it refuses may be on its topic nevertheless."""
    credentials = {"Authorization": aiohttp.encode_basic_auth(stream.account_sid, TOKEN)}
    url, body = f"{stream.up.about['gateway']}/v1/Events", json.dumps(cloudevent(1, id=event_id)).encode()
    async with http.post(url, data=body, headers={**STRUCTURED, **credentials}) as answer:
        assert answer.status in {202, 503}, await answer.text()
        return answer.status == 202


async def _takes_a_write(up: Up) -> bool:
    sinks = up.client().events.v1.sinks
    try:
        sink = await asyncio.to_thread(
            sinks.create, description="d", sink_type="webhook", sink_configuration={"destination": "http://127.0.0.1:1"}
        )
    except TwilioRestException as error:
        if error.status == 503:
            return False
        raise
    await asyncio.to_thread(up.client().events.v1.sinks(sink.sid).delete)
    return True


async def _routed(up: Up, http: aiohttp.ClientSession) -> float:
    async with http.get(f"{up.about['admin']['router']}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("eventstreams_router_events_total{"))


async def _routes_more(up: Up, http: aiohttp.ClientSession, before: float) -> bool:
    return await _routed(up, http) > before


async def _delivers_more(stream: Stream, before: int) -> bool:
    return len(stream.receiver.accepted) > before


async def _delivers(stream: Stream, event_id: str) -> bool:
    return event_id in stream.receiver.accepted


async def _is_ready(up: Up, http: aiohttp.ClientSession, role: str) -> bool:
    async with http.get(f"{up.about['admin'][role]}/readyz") as answer:
        return answer.status == 200
