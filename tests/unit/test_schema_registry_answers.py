"""What is said where a schema registry does not answer, refuses, or is none. A real one: tests/kafka."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from eventstreams.catalog import Catalog, Schema
from eventstreams.schema_registry import Refused, RegistryError, SchemaRegistry, register

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(handler: Handler, *, auth: str | None = None) -> AsyncIterator[SchemaRegistry]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server, SchemaRegistry(str(server.make_url("/")), auth=auth) as registry:
        yield registry


def schema() -> Schema:
    return Catalog.load().schemas["Iam.IPBlocked"]


def refusing(status: int, code: int, message: str, *, but: str = "/config") -> Handler:
    """A registry that answers so to all but ``but``."""

    async def handler(request: web.Request) -> web.Response:
        if request.path == but:
            return web.json_response({"compatibilityLevel": "BACKWARD"})
        return web.json_response({"error_code": code, "message": message}, status=status)

    return handler


async def test_a_registry_that_is_not_there_is_named_and_so_is_the_setting() -> None:
    async with SchemaRegistry("http://127.0.0.1:9") as registry:
        with pytest.raises(RegistryError, match=r"no schema registry answers at http://127\.0\.0\.1:9 .*_REGISTRY_URL"):
            await register(registry, [schema()])


async def test_the_user_and_password_of_the_settings_are_shown_to_the_registry_and_to_nobody_else() -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)

    async with answering(handler, auth="es:hush-hush:1") as registry:
        with pytest.raises(RegistryError, match="refuses our credentials") as caught:
            await register(registry, [schema()])

    assert seen == [f"Basic {base64.b64encode(b'es:hush-hush:1').decode()}"]
    assert "hush" not in str(caught.value)


async def test_another_server_is_never_given_the_password() -> None:
    asked = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    async with answering(elsewhere) as other:

        async def handler(_: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(str(other._url))

        async with answering(handler, auth="es:secret") as registry:
            with pytest.raises(RegistryError, match="is not a schema registry"):
                await registry.check()

    assert asked == []


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<h1>It works!</h1>"),
        web.Response(status=500, text="oops"),
        web.Response(status=404, text="not found"),
        web.Response(body=b"[" * (5 << 20)),
    ],
    ids=["a page", "an error page", "another server", "without end"],
)
async def test_what_is_no_registry_is_told(answer: web.Response) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=answer.status, body=answer.body)

    async with answering(handler) as registry:
        with pytest.raises(RegistryError, match="is not a schema registry"):
            await register(registry, [schema()])


async def test_a_registry_that_refuses_a_schema_is_quoted_without_what_steers_a_terminal() -> None:
    async with answering(refusing(422, 42201, "Invalid\x1b[31m schema " + "x" * 1000)) as registry:
        [outcome] = await register(registry, [schema()])

    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("the schema registry answers 422 (42201): Invalid [31m schema xx")
    assert len(outcome.reason) < 400


async def test_a_registry_that_takes_two_versions_for_one_is_noticed() -> None:
    """Some keep one version for texts that differ in words alone; then the numbers would not be ours."""
    versions: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/versions"):
            if request.method == "POST":
                versions[:] = [1]
                return web.json_response({"id": 1})
            return web.json_response(versions)
        return web.json_response({"compatibilityLevel": "FULL"})

    async with answering(handler) as registry:
        outcomes = await register(registry, [schema()])

    assert outcomes == [Refused("Iam.IPBlocked", "the registry stored version 2 under a different version number")]


async def test_a_subject_with_a_deleted_version_is_left_alone() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.method == "GET"
        return web.json_response([1, 3] if request.path.endswith("/versions") else {"compatibilityLevel": "FULL"})

    async with answering(handler) as registry:
        [outcome] = await register(registry, [schema()])

    assert outcome == Refused(
        "Iam.IPBlocked", "the registry has versions 1, 3 of it: some were deleted, or were registered by someone else"
    )
