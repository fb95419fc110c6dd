"""Whatever is sent to the API, it answers 2xx or refuses in the reference's form: no 500, no traceback, no HTML.

``schemathesis`` makes requests of the API's own document; the strategies below make what no document has. The seed is
fixed here; the proof has many more requests, and others each time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from control_api.openapi.document import openapi_document
from control_api.operations import ALL
from eventstreams.settings import Settings
from tests.support.api import Api, post_form, serving
from tests.support.contract import check
from tests.support.fuzzing import Request, judge, send
from tests.support.hostile import requests
from tests.support.installation import SENT, Installation
from tests.support.operator import OPERATOR_TOKEN, with_operator
from tests.support.topic import PATIENCE_S

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]
FEW, MANY = 4, 60
SCHEMA = {"id": "Messaging.MessageStatus", "version": "1"}
DOCUMENT = orjson.loads(orjson.dumps(openapi_document(ALL)))
FUZZED = [each.ok() for each in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations() if isinstance(each, Ok)]


@dataclass(frozen=True)
class World:
    """A running API with one thing of each kind, whose names are mixed into what is asked.

    Attributes:
        key: Credentials that stay whatever becomes of the account's token.
        names: What stands in braces in paths that begin so.
    """

    url: str
    key: tuple[str, str]
    names: dict[str, dict[str, str]]

    def auth(self, path: str) -> tuple[str, str]:
        return ("operator", OPERATOR_TOKEN) if path.startswith("/operator/") else self.key

    def known(self, path: str) -> dict[str, str]:
        """What makes of ``path`` one that is there; empty where nothing of the kind is."""
        starts = [start for start in self.names if path.startswith(start)]
        found = self.names[max(starts, key=len)] if starts else {}
        return {name: value for name, value in found.items() if f"{{{name}}}" in path}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    log = SecretStr(str(tmp_path_factory.mktemp("log") / "log.sqlite"))
    settings = with_operator(module_settings).model_copy(update={"delivery_log": log, "api_rate_limit": 0.0})
    async with Installation(settings) as installation, serving(settings) as url:
        api = Api(installation, url)
        sink = await api.sink()
        subscription = await api.subscription(sink.sid, SENT)
        _, key = await post_form(api, "/v1/Keys", FriendlyName="of the fuzzer")
        own = installation.account_sid
        await installation.new_account()
        names = {
            "/v1/Sinks": {"sid": sink.sid},
            "/v1/Subscriptions": {"sid": subscription.sid, "type": SENT},
            "/v1/Types": {"type": SENT},
            "/v1/Schemas": SCHEMA,
            "/schemas": SCHEMA,
            "/2010-04-01/": {"account_sid": own},
            "/operator/": {"account_sid": installation.account_sid},
        }
        yield World(url, (key["sid"], key["secret"]), names)


def bounded(examples: int, *, fixed: bool) -> Callable[[Callable[..., None]], Callable[[], None]]:
    return settings(
        max_examples=examples, derandomize=fixed, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )


# -- what the document has --------------------------------------------------------------------------------------------


def _given(strategy: Any, ask: Callable[[Any], None]) -> Callable[..., None]:
    @given(strategy)
    def asked(case: Any) -> None:
        ask(case)

    found: Callable[..., None] = asked
    return found


async def ask_by_the_document(world: World, operation: Any, examples: int, *, fixed: bool) -> None:
    """What the document allows, and what it forbids, of things that are there and of others."""
    known = world.known(operation.path) if operation.method.upper() != "DELETE" else {}  # what others need stays

    def ask(case: Any) -> None:
        answer = case.call(base_url=world.url, auth=world.auth(operation.path))
        told = f"{answer.status_code} {answer.text[:500]}\n{case.as_curl_command()}"
        assert answer.status_code < 500, told
        try:
            path = answer.request.path_url.partition("?")[0]
            check(answer.request.method, path, answer.status_code, answer.content)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{told}") from None

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        for names in [{}, known] if known else [{}]:
            strategy = operation.as_strategy(mode, **({"path_parameters": names} if names else {}))
            try:
                await asyncio.to_thread(bounded(examples, fixed=fixed)(_given(strategy, ask)))
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # there is nothing that could be wrong


@pytest.mark.parametrize("operation", FUZZED, ids=lambda each: f"{each.method.upper()} {each.path}")
async def test_every_answer_to_what_a_machine_makes_of_the_document_is_in_it(world: World, operation: Any) -> None:
    await ask_by_the_document(world, operation, FEW, fixed=True)


@pytest.mark.proof
@pytest.mark.parametrize("operation", FUZZED, ids=lambda each: f"{each.method.upper()} {each.path}")
async def test_thousands_of_them_are_answered_so_as_well(world: World, operation: Any) -> None:
    await ask_by_the_document(world, operation, MANY, fixed=False)


# -- what no document has ---------------------------------------------------------------------------------------------


async def ask_anything(world: World, examples: int, *, fixed: bool) -> None:
    loop = asyncio.get_running_loop()

    @bounded(examples, fixed=fixed)
    @given(requests(world.known))
    def ask(request: Request) -> None:
        answer = asyncio.run_coroutine_threadsafe(send(world.url, world.auth(request.target), request), loop)
        judge(request, answer.result())

    await asyncio.to_thread(ask)


async def test_whatever_is_sent_is_answered_in_the_references_form(world: World) -> None:
    await ask_anything(world, 400, fixed=True)


@pytest.mark.proof
async def test_whatever_is_sent_for_a_long_time_is_answered_so_as_well(world: World) -> None:
    await ask_anything(world, 10_000, fixed=False)


@pytest.mark.parametrize(
    "request_line",
    [
        "GET",
        "GET /v1/Sinks",
        "GET  /v1/Sinks HTTP/1.1",
        "\x16\x03\x01",
        "GET /v1/Sinks HTTP/9.9",
        "GET http://[ HTTP/1.1",
    ],
)
async def test_what_is_no_http_is_refused_in_the_references_form_too(world: World, request_line: str) -> None:
    _, _, place = world.url.partition("//")
    host, _, port = place.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{request_line}\r\nHost: api\r\nConnection: close\r\n\r\n".encode("latin-1"))
    async with asyncio.timeout(PATIENCE_S):
        answered = await reader.read()
    writer.close()

    head, _, body = answered.partition(b"\r\n\r\n")
    told = orjson.loads(body)
    assert (told["status"], told["code"]) in {(400, 20001), (401, 20003)}  # some of it can be read after all
    assert f" {told['status']} ".encode() in head.partition(b"\r\n")[0]


async def test_the_document_and_its_page_are_for_everybody(world: World) -> None:
    root = Path(__file__).parents[2]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{world.url}/openapi.json") as answer:
            assert await answer.read() == orjson.dumps(orjson.loads((root / "docs/openapi.json").read_bytes()))
        async with session.get(f"{world.url}/docs") as answer:
            assert answer.content_type == "text/html"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
