"""The delivery log in a PostgreSQL that several APIs share, on a real broker."""

import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from aiohttp import web
from pydantic import SecretStr

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.installation import Installation
from tests.support.plain_api import PlainApi, serving_counted
from tests.support.postgresql import PASSWORD, RunningPostgresql, running_postgresql

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningPostgresql]:
    """A server that a test may stop."""
    with running_postgresql() as server:
        yield server


@pytest.fixture
def shared_settings(settings: Settings, server: RunningPostgresql) -> Settings:
    """Settings of an installation whose log is in a database of its own."""
    name = f"d{uuid.uuid4().hex[:10]}"
    with psycopg.connect(server.dsn, autocommit=True) as database:
        database.execute(f"create database {name}")
    return settings.model_copy(update={"delivery_log": SecretStr(server.dsn.replace("/postgres", f"/{name}"))})


def fine(_: Received) -> int | web.Response:
    return 200


def current(answer: Any) -> bool:
    return bool(answer["lag"] == {"records": 0, "seconds": 0.0})


async def test_apis_share_one_log_and_the_next_goes_on_with_it(
    shared_settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    async with (
        Installation(shared_settings) as installation,
        Receiver(fine) as receiver,
        AsyncExitStack() as second_one,
    ):
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        await installation.subscribe(await installation.add_sink(f"{receiver.url}/200"))
        async with serving_counted(shared_settings) as (first_url, first_metrics):
            first = PlainApi(first_url, installation.account_sid)
            await installation.publish([installation.event(1)])
            await first.until("/v1/Attempts", lambda answer: len(answer["attempts"]) == 1)
            held = first_metrics.registry.get_sample_value("eventstreams_delivery_log_size_bytes")
            assert held is not None
            assert held > 0
            second_url, _ = await second_one.enter_async_context(serving_counted(shared_settings))
            second = PlainApi(second_url, installation.account_sid)
            for api in (first, second):
                listed = await api.until("/v1/Attempts", current)
                assert [each["event_id"] for each in listed["attempts"]] == ["EZ1"]
                found = await api.until("/v1/Events/EZ1", lambda _: True)
                assert [each["state"] for each in found["deliveries"]] == ["delivered"]

        await installation.publish([installation.event(2)])

        await second.until("/v1/Attempts", lambda answer: len(answer["attempts"]) == 2)
        await second.until("/v1/Attempts", current)
    said = "".join(capfd.readouterr())
    assert PASSWORD not in said


async def test_deliveries_go_on_without_the_database_and_are_in_the_log_afterwards(
    shared_settings: Settings, server: RunningPostgresql
) -> None:
    async with Installation(shared_settings) as installation, Receiver(fine) as receiver:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        await installation.subscribe(await installation.add_sink(f"{receiver.url}/200"))
        async with serving_counted(shared_settings) as (url, _):
            api = PlainApi(url, installation.account_sid)
            await installation.publish([installation.event(1)])
            await api.until("/v1/Attempts", lambda answer: len(answer["attempts"]) == 1)

            server.kill()
            await installation.publish([installation.event(2)])
            await receiver.wait_for(lambda: len(receiver.accepted) == 2)
            status, error = await api.get("/v1/Attempts")
            assert (status, error["message"]) == (503, "The delivery log cannot be read right now: try again")
            assert (await api.get("/v1/Sinks"))[0] == 200

            server.start()
            listed = await api.until("/v1/Attempts", lambda answer: len(answer["attempts"]) == 2)
            assert [each["event_id"] for each in listed["attempts"]] == ["EZ2", "EZ1"]
            await api.until("/v1/Attempts", current)


async def test_an_api_starts_without_the_database_and_builds_the_log_when_it_comes(
    shared_settings: Settings, server: RunningPostgresql
) -> None:
    async with Installation(shared_settings) as installation:
        await installation.publish([installation.event(1)])
        server.stop()
        try:
            async with serving_counted(shared_settings) as (url, _):
                api = PlainApi(url, installation.account_sid)
                assert (await api.get("/v1/Events/EZ1"))[0] == 503

                server.start()

                await api.until("/v1/Events/EZ1", lambda _: True)
        finally:
            server.stop()
            server.start()
