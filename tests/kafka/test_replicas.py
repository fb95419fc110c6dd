"""Several API processes of one installation, killed, stopped and asked all at once, on the real broker."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

from control_api.replicas.forwarded import HEADER
from eventstreams.control.feed import BEHIND_KEY, PRIMARY_KEY
from eventstreams.control.vault import Purpose
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from tests.support.bare_api import BareApi, serving_bare
from tests.support.installation import TOKEN, Installation
from tests.support.replicas import SINK, ApiProcess, Replicas, running_replicas
from tests.support.topic import PATIENCE_S, eventually, read_topic_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Writer:
    """Creates sinks through every replica in turn until it is stopped; knows what was answered, and how late."""

    replicas: Replicas
    stopping: bool = False
    answered: int = 0
    told_to_wait: int = 0
    longest_s: float = 0.0

    async def run(self, at: list[ApiProcess]) -> list[str]:
        """The sinks that were answered 201 and not deleted again by this writer. It keeps below 40."""
        loop, turn = asyncio.get_running_loop(), 0
        there: list[str] = []
        while not self.stopping:
            turn += 1
            process, began = at[turn % len(at)], loop.time()
            if len(there) < 40:
                status, body = await self._ask(process, "POST", "/v1/Sinks", SINK)
                assert status == HTTPStatus.CREATED, body
                there.append(body["sid"])
            else:
                sid, before = there.pop(), self.told_to_wait
                status, body = await self._ask(process, "DELETE", f"/v1/Sinks/{sid}")
                # One that was told to come again may have been done all the same.
                again = {HTTPStatus.NOT_FOUND} if self.told_to_wait > before else set()
                assert status in {HTTPStatus.NO_CONTENT} | again, body
            self.answered += 1
            self.longest_s = max(self.longest_s, loop.time() - began)
        return there

    async def _ask(
        self, at: ApiProcess, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """The answer; whoever is told that nobody can write just now comes again, as on a busy machine."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        while True:
            status, body = await self.replicas.ask(at, method, path, form, headers=headers)
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                return status, body
            self.told_to_wait += 1
            await asyncio.sleep(0.2)


async def go_on(writer: Writer, count: int = 20) -> None:
    """Return once ``writer`` had so many more answers."""
    wanted = writer.answered + count
    await eventually(lambda: writer.answered >= wanted, timeout_s=60, what=lambda: f"{writer.answered} answered")


async def test_a_primary_that_is_killed_loses_no_answered_write(settings: Settings, tmp_path: Path) -> None:
    async with running_replicas(settings, tmp_path, 3) as replicas:
        old = replicas.primary
        writer = Writer(replicas)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(writer.run(list(replicas.others)))
            await go_on(writer)
            await old.end(signal.SIGKILL)
            await replicas.another_primary(old)
            await go_on(writer)
            writer.stopping = True

        for process in replicas.processes:
            if process is not old:
                await eventually_has(replicas, process, set(writing.result()))


async def eventually_has(replicas: Replicas, process: ApiProcess, sinks: set[str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await replicas.all_sinks(process)) != sinks:
            assert len(found) < 100
            await asyncio.sleep(0.05)


async def test_a_primary_that_was_stopped_writes_nothing_when_it_goes_on(settings: Settings, tmp_path: Path) -> None:
    async with running_replicas(settings, tmp_path, 2) as replicas:
        old, [other] = replicas.primary, replicas.others
        writer = Writer(replicas)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(writer.run([other]))
            await go_on(writer)
            old.send(signal.SIGSTOP)
            await replicas.another_primary(old)
            late = group.create_task(replicas.ask(old, "POST", "/v1/Sinks", SINK))  # waits in the socket of the old one
            await go_on(writer)
            old.send(signal.SIGCONT)
            status, body = await late
            await go_on(writer)
            writer.stopping = True

        assert status == HTTPStatus.CREATED, body
        wanted = {*writing.result(), body["sid"]}
        await eventually_has(replicas, other, wanted)
        await eventually_has(replicas, old, wanted)
        assert replicas.primaries[-1] == other.url


async def test_a_primary_that_is_told_to_end_hands_over_and_no_request_fails(
    settings: Settings, tmp_path: Path
) -> None:
    async with running_replicas(settings, tmp_path, 2) as replicas:
        old, [other] = replicas.primary, replicas.others
        writer = Writer(replicas)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(writer.run([other]))
            await go_on(writer)
            assert await old.end(signal.SIGTERM) == 0
            await replicas.another_primary(old)
            await go_on(writer)
            writer.stopping = True

        await eventually_has(replicas, other, set(writing.result()))


async def test_no_account_gets_more_than_100_sinks_however_the_primary_changes(
    settings: Settings, tmp_path: Path
) -> None:
    refused = 0

    async def hammer(replicas: Replicas, at: ApiProcess, created: set[str]) -> None:
        nonlocal refused
        while refused < 60:
            try:
                status, body = await replicas.ask(at, "POST", "/v1/Sinks", SINK)
            except aiohttp.ClientError:
                return  # it was killed
            if status == HTTPStatus.CREATED:
                created.add(body["sid"])
            elif body["code"] != 20503:  # on a busy machine nobody may be primary for as long as a request waits
                assert body["code"] == 91003, body
                refused += 1

    async with running_replicas(settings, tmp_path, 3) as replicas:
        created: set[str] = set()
        first = replicas.primary
        async with asyncio.TaskGroup() as group:
            for each in replicas.processes:
                for _ in range(4):
                    group.create_task(hammer(replicas, each, created))
            await eventually(lambda: len(created) >= 20, timeout_s=60)
            await first.end(signal.SIGKILL)
            second = await replicas.another_primary(first)
            await eventually(lambda: len(created) >= 50, timeout_s=60)
            second.send(signal.SIGSTOP)
            await replicas.another_primary(second)
            await eventually(lambda: len(created) >= 70, timeout_s=60)
            second.send(signal.SIGCONT)

        there = await replicas.all_sinks(replicas.primary)
        assert len(there) == 100
        assert created <= there  # one whose answer died with its process is there as well


# -- inside one process -----------------------------------------------------------------------------------------------


@dataclass
class Pair:
    installation: Installation
    primary: BareApi
    other: BareApi


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(module_settings: Settings) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(Installation(module_settings))
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        first = await stack.enter_async_context(serving_bare(module_settings, installation.account_sid))
        second = await stack.enter_async_context(serving_bare(module_settings, installation.account_sid))
        assert is_primary(first.metrics)
        assert not is_primary(second.metrics)
        yield Pair(installation, first, second)


def is_primary(metrics: Metrics) -> bool:
    return metrics.registry.get_sample_value("eventstreams_api_primary") == 1


async def test_a_replica_has_what_was_written_through_it_when_it_answers(pair: Pair) -> None:
    for number in range(20):
        sink = await pair.other.post("/v1/Sinks", {**SINK, "Description": str(number)})

        assert sink["url"].startswith(pair.other.url)  # as the client asked, not as the primary was asked
        assert (await pair.other.get(f"/v1/Sinks/{sink['sid']}"))["description"] == str(number)
        assert (await pair.primary.get(f"/v1/Sinks/{sink['sid']}"))["sid"] == sink["sid"]


async def test_a_refusal_of_the_primary_comes_back_as_it_was(pair: Pair) -> None:
    wrong = {**SINK, "SinkType": "pigeon"}

    assert await pair.other.ask("POST", "/v1/Sinks", wrong) == await pair.primary.ask("POST", "/v1/Sinks", wrong)
    status, body = await pair.other.ask("DELETE", "/v1/Sinks/DG" + "0" * 32)
    assert (status, body["code"]) == (404, 20404)
    status, body = await pair.other.ask("POST", "/v1/Nothing", {})
    assert status == 404
    status, body = await pair.other.as_account("AC" + "0" * 32).ask("POST", "/v1/Sinks", SINK)
    assert status == 401


@pytest.mark.parametrize("target", ["/v1/Sinks#part", "/v1/Sinks?", "/v1/%53inks?a=%2F%61;+<|>"])
async def test_however_a_path_is_spelled_it_is_forwarded(pair: Pair, target: str) -> None:
    """Over a bare connection: clients' libraries do not send such paths."""
    url = URL(pair.other.url)
    body = urlencode(SINK).encode()
    credentials = aiohttp.encode_basic_auth(pair.installation.account_sid, TOKEN)
    head = (
        f"POST {target} HTTP/1.1\r\nHost: api\r\nConnection: close\r\nAuthorization: {credentials}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 201 "), answer


async def test_a_jobs_order_and_end_can_be_given_to_any_replica(pair: Pair) -> None:
    job = await pair.other.post("/v1/Redrives", {"Reason": "expired"})

    assert (await pair.other.until(f"/v1/Redrives/{job['sid']}", "completed"))["selected"] == 0


async def test_what_only_looks_forwarded_is_refused(pair: Pair) -> None:
    lock = pair.installation.vault.lock
    async with aiohttp.ClientSession() as session:
        for token in ("x", "é", lock("{}", Purpose.FORWARDED, ""), lock("not json", Purpose.FORWARDED, "")):
            async with session.post(f"{pair.other.url}/v1/Sinks", headers={HEADER: token}, data=SINK) as answer:
                assert answer.status == HTTPStatus.FORBIDDEN
                assert (await answer.json())["status"] == HTTPStatus.FORBIDDEN
        async with session.get(f"{pair.other.url}/replica") as answer:
            assert answer.status == HTTPStatus.FORBIDDEN


async def test_who_took_over_a_primarys_address_is_sent_nothing(settings: Settings) -> None:
    sent: list[str] = []

    async def take(request: web.Request) -> web.Response:
        sent.append(f"{request.method} {request.path} {request.headers.get('Authorization')}")
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        async with Installation(settings) as installation, serving_bare(settings, installation.account_sid) as api:
            told = orjson.dumps({"replica": "0" * 16, "url": f"http://{host}:{port}"})
            await installation.producer.send(installation.topics.control, told, key=PRIMARY_KEY)
            # It believes that another is primary now, and stands for the seat again.
            sink = await api.post("/v1/Sinks", SINK)

            assert (await api.get(f"/v1/Sinks/{sink['sid']}"))["sid"] == sink["sid"]
    finally:
        await runner.cleanup()
    assert {each for each in sent if "None" not in each} == set()
    assert {each.partition(" ")[0] for each in sent} <= {"GET"}


async def test_behind_each_write_stands_a_record_that_says_nothing(pair: Pair) -> None:
    before = pair.installation.feed.position
    await pair.other.post("/v1/Sinks", SINK)

    records = await read_topic_until(
        pair.installation.settings,
        pair.installation.topics.control,
        lambda found: found[-1].offset > before + 1 if found else False,
    )

    assert records[-1].key == BEHIND_KEY
    assert records[-1].value == b""
