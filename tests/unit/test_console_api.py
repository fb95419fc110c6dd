"""Requests that pages make of the API in its own process: as if they had come over the network."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from control_api.console.api import InnerApi
from control_api.http.forms import read_form
from eventstreams.http import RefusedError, answer_errors

Client = TestClient[web.Request, web.Application]
SEEN = web.AppKey("seen", list[str])


@web.middleware
async def remember(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    request.app[SEEN].append(f"{request.method} {request.path}")
    return await handler(request)


async def echo(request: web.Request) -> web.Response:
    form = await read_form(request)
    told = {
        "name": request.match_info["name"],
        "query": list(request.query.items()),
        "form": [list(each) for each in form.fields],
        "authorization": request.headers.get("Authorization"),
        "forwarded": request.headers.getall("X-Forwarded-For", []),
        "cookie": request.headers.get("Cookie"),
        "remote": request.remote,
        "host": request.host,
    }
    return web.json_response(told)


async def refuse(_: web.Request) -> web.Response:
    raise RefusedError("Not so", status=429, code=4711, details={"a": 1}, headers={"Retry-After": "7"})


async def gone(_: web.Request) -> web.Response:
    return web.Response(status=204)


async def listed(request: web.Request) -> web.Response:
    page = int(request.query["Page"])
    more = "http://x/?PageToken=PT" if page < 2 else None
    return web.json_response({"items": [{"number": page}], "meta": {"next_page_url": more}})


async def outside(request: web.Request) -> web.Response:
    """What a page does: it asks, in the course of another request with a body of its own."""
    await request.read()
    api = InnerApi(request, "Basic Zm9v")
    match request.query["ask"]:
        case "get":
            answer = await api.get("/things/{}", "a/b?c=../é", query=[("x", "1"), ("x", "& é")])
        case "post":
            answer = await api.post("/things/{}", "it", form=[("A", "1"), ("A", "é &=")])
        case "large":
            answer = await api.post("/things/{}", "it", form={"A": "a" * 200_000})
        case "too large":
            answer = await api.post("/things/{}", "it", form={"A": "a" * 300_000})
        case "delete":
            await api.delete("/things/{}", "it")
            answer = {}
        case "listed":
            answer = {"all": await api.listed("/list", key="items")}
        case _:
            answer = await api.get("/refused")
    return web.json_response(answer)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    app = web.Application(middlewares=[answer_errors, remember], client_max_size=256 << 10)
    app[SEEN] = []
    app.add_routes(
        [
            web.post("/page", outside),
            web.get("/things/{name}", echo),
            web.post("/things/{name}", echo),
            web.delete("/things/{name}", gone),
            web.get("/refused", refuse),
            web.get("/list", listed),
        ]
    )
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_read_arrives_with_its_name_and_query_as_they_were_given(client: Client) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7", "Cookie": "s=secret", "Host": "events.example.com"}
    async with client.post("/page?ask=get", data=b"body", headers=headers) as answer:
        told = await answer.json()

    assert told["name"] == "a/b?c=../é"
    assert told["query"] == [["x", "1"], ["x", "& é"]]
    assert (told["form"], told["authorization"], told["cookie"]) == ([], "Basic Zm9v", None)
    assert (told["forwarded"], told["remote"]) == (["203.0.113.7"], "127.0.0.1")
    assert told["host"] == "events.example.com"


async def test_a_write_arrives_with_its_form(client: Client) -> None:
    async with client.post("/page?ask=post", data=b"body") as answer:
        told = await answer.json()

    assert told["form"] == [["A", "1"], ["A", "é &="]]


async def test_a_form_may_be_as_large_as_over_the_network_and_no_larger(client: Client) -> None:
    async with client.post("/page?ask=large") as answer:
        assert len((await answer.json())["form"][0][1]) == 200_000
    async with client.post("/page?ask=too large") as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, 20413)
    async with client.post("/page?ask=post") as answer:  # the connection goes on
        assert answer.status == 200


def _app(client: Client) -> web.Application:
    found: web.Application | None = client.app
    assert found is not None
    return found


async def test_every_middleware_is_passed_once_more(client: Client) -> None:
    for ask in ("get", "post", "delete"):
        async with client.post(f"/page?ask={ask}") as answer:
            assert answer.status == 200

    assert [each for each in _app(client)[SEEN] if "page" not in each] == [
        "GET /things/a/b?c=../é",
        "POST /things/it",
        "DELETE /things/it",
    ]


async def test_a_refusal_is_raised_as_it_was_answered(client: Client) -> None:
    async with client.post("/page?ask=refused") as answer:
        told = await answer.json()

    assert (answer.status, told["code"], told["message"]) == (429, 4711, "Not so")
    assert (told["details"], answer.headers["Retry-After"]) == ({"a": 1}, "7")


async def test_a_list_is_read_to_its_end(client: Client) -> None:
    async with client.post("/page?ask=listed") as answer:
        assert (await answer.json())["all"] == [{"number": 0}, {"number": 1}, {"number": 2}]
