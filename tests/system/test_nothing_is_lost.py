"""Processes and the broker are killed in the middle of a stream: every accepted event is delivered."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.stream import Stream, open_stream
from tests.support.up import Up, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    env = {"EVENTSTREAMS_RETRY_DELAYS": "500ms,2s", "EVENTSTREAMS_RETRY_PARTITIONS": "4"}
    with running_up(tmp_path_factory.mktemp("up") / "data", env=env) as up:
        yield up


@pytest.fixture
async def stream(up: Up) -> AsyncIterator[Stream]:
    async with open_stream(up) as stream:
        yield stream


@pytest.mark.parametrize("roles", [("router",), ("worker-webhook",), ("api", "router", "worker-webhook", "gateway")])
async def test_killing_a_role_in_mid_stream_loses_no_event(stream: Stream, roles: tuple[str, ...]) -> None:
    publishing = asyncio.create_task(stream.publish())
    for count in (300, 2_000):
        await stream.delivered(count)
        for role in roles:
            await asyncio.to_thread(stream.up.kill, role)

    await stream.all_delivered(await publishing)


async def test_a_broker_that_is_killed_and_comes_back_loses_no_event(stream: Stream) -> None:
    publishing = asyncio.create_task(stream.publish())
    await stream.delivered(300)

    await asyncio.to_thread(stream.up.kill, "kafka")

    await stream.all_delivered(await publishing)
    # The roles wait for it; to lose them as well would be a fault of ours (a client has crashed here before). One that
    # was just starting, after the test before, may give up after its time to wait for a broker (4) and start again.
    ended = [line for line in stream.up.text.splitlines() if " ended (" in line]
    assert [line for line in ended if "SIGKILL" not in line and "(exit code 4)" not in line] == []


async def test_events_wait_for_a_receiver_that_is_away(stream: Stream, tmp_path: Path) -> None:
    answer = stream.receiver.answer
    stream.receiver.answer = lambda _: 503
    accepted = await stream.publish(500)

    stream.receiver.answer = answer

    await stream.all_delivered(accepted)
