"""Errors of our HTTP servers, over real connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from eventstreams.errors import TopicError
from eventstreams.http import RefusedError, answer_errors

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def serving(error: Exception) -> AsyncIterator[Client]:
    """A server of which ``GET /raise`` raises ``error``."""

    async def fail(_: web.Request) -> web.Response:
        raise error

    app = web.Application(middlewares=[answer_errors])
    app.router.add_get("/raise", fail)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_refused_request_is_answered_in_the_references_form() -> None:
    async with serving(RefusedError("no such thing", status=409, code=20409, details={"at": [1]})) as client:
        answer = await client.get("/raise")

        assert (answer.status, answer.content_type) == (409, "application/json")
        assert await answer.json() == {
            "code": 20409,
            "message": "no such thing",
            "more_info": "https://www.twilio.com/docs/errors/20409",
            "status": 409,
            "details": {"at": [1]},
        }


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 20001), (401, 20003), (404, 20404), (408, 20408), (413, 20413), (415, 20415), (429, 20429), (503, 20503)],
)
async def test_a_status_without_a_code_gets_the_general_one(status: int, code: int) -> None:
    async with serving(RefusedError("no", status=status)) as client:
        body = await (await client.get("/raise")).json()

        assert (body["code"], body["status"]) == (code, status)
        assert "details" not in body


async def test_headers_of_a_refusal_are_sent() -> None:
    async with serving(RefusedError("wait", status=429, headers={"Retry-After": "7"})) as client:
        answer = await client.get("/raise")

        assert answer.headers["Retry-After"] == "7"


async def test_an_unknown_path_is_404_and_names_it() -> None:
    async with serving(AssertionError()) as client:
        answer = await client.get("/v1/Nothing?secret=1")

        body = await answer.json()
        assert (answer.status, body["code"]) == (404, 20404)
        assert body["message"] == "The requested resource /v1/Nothing was not found"


async def test_a_wrong_method_is_405_and_says_which_are_right() -> None:
    async with serving(AssertionError()) as client:
        answer = await client.delete("/raise")

        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
        assert (await answer.json())["message"] == "DELETE is not allowed here, only GET, HEAD"


async def test_an_error_that_an_operator_can_mend_is_503_without_its_text() -> None:
    async with serving(TopicError("es.control lost its leader")) as client:
        with capture_logs() as logs:
            answer = await client.get("/raise")
        body = await answer.json()

        assert (answer.status, body["code"]) == (503, 20503)
        assert answer.headers["Retry-After"] == "2"
        assert "leader" not in body["message"]
        assert [(entry["event"], entry["error"]) for entry in logs] == [
            ("request.unavailable", "es.control lost its leader")
        ]


async def test_a_bug_is_500_without_detail_and_is_logged_with_its_traceback() -> None:
    async with serving(ZeroDivisionError("the inside")) as client:
        with capture_logs() as logs:
            answer = await client.get("/raise")
        body = await answer.json()

        assert (answer.status, body["code"], body["message"]) == (500, 20500, "Internal error")
        assert [(entry["event"], entry["exc_info"]) for entry in logs] == [("request.failed", True)]


async def test_text_that_is_no_utf_8_is_answered_nevertheless() -> None:
    async with serving(RefusedError("Content-Type is \udcff")) as client:
        answer = await client.get("/raise")

        assert (await answer.json())["message"] == "Content-Type is ?"


async def test_a_redirection_is_no_error() -> None:
    async with serving(web.HTTPFound("/elsewhere")) as client:
        answer = await client.get("/raise", allow_redirects=False)

        assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")


@pytest.mark.parametrize("content_type", ["a/" + ";" * 8000, 'application/json; a="' + 'a="' * 2000])
async def test_a_content_type_that_takes_long_to_be_read_is_refused_unread(content_type: str) -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(text=request.content_type)

    app = web.Application(middlewares=[answer_errors])
    app.router.add_post("/", read)
    async with TestClient(TestServer(app)) as client:
        refused = await client.post("/", data=b"{}", headers={"Content-Type": content_type})
        usual = await client.post("/", data=b"{}", headers={"Content-Type": "application/json; charset=utf-8"})

        assert (refused.status, (await refused.json())["code"]) == (415, 20415)
        assert (usual.status, await usual.text()) == (200, "application/json")
