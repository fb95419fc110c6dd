"""The client's requests: sent again while that is safe and can help, told in one kind of error."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from eventstreams.client import ApiError, AsyncEventStreams, Connection, EventStreams
from eventstreams.client.fields import Which, moment
from eventstreams.times import from_ms

Reply = Callable[[web.Request], web.StreamResponse]
DELIVERY = {"sink_sid": "DG1", "paused": True, "rate_limit": None, "throttle": "adaptive", "url": "u", "later": 1}


def refusal(status: int, code: int = 20001, **headers: str) -> Reply:
    body = {"code": code, "message": "no", "more_info": "m", "status": status}
    return lambda _: web.json_response(body, status=status, headers=headers)


def done(_: web.Request) -> web.StreamResponse:
    return web.json_response(DELIVERY)


def cut(request: web.Request) -> web.StreamResponse:
    """The connection breaks before an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class Fake:
    """Answers each request with the next of ``replies``, and remembers them."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[web.Request] = []
        self.bodies: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.text())
        return self._replies.pop(0)(request)

    @property
    def keys(self) -> list[str | None]:
        return [each.headers.get("Idempotency-Key") for each in self.requests]


@asynccontextmanager
async def asking(fake: Fake, *, attempts: int = 4) -> AsyncIterator[AsyncEventStreams]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    connection = Connection(f"http://127.0.0.1:{port}", "AC1", "token", attempts=attempts, pause=lambda _: 0.0)
    try:
        async with AsyncEventStreams("", "", "", connection=connection) as api:
            yield api
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("first", [cut, refusal(503, 20503), refusal(429, 20429), refusal(408, 20408)])
async def test_a_post_is_sent_again_under_the_same_key(first: Reply) -> None:
    fake = Fake(first, first, done)

    async with asking(fake) as api:
        found = await api.set_sink_delivery("DG1", paused=True)

    assert found.paused
    assert len(fake.requests) == 3
    assert len(set(fake.keys)) == 1
    assert None not in fake.keys
    assert fake.bodies[-1] == "Paused=true"


async def test_two_calls_have_two_keys_unless_they_name_one() -> None:
    fake = Fake(done, done, done)

    async with asking(fake) as api:
        await api.set_sink_delivery("DG1", paused=True)
        await api.set_sink_delivery("DG1", paused=True)
        await api.set_sink_delivery("DG1", paused=True, idempotency_key="mine")

    assert len(set(fake.keys)) == 3
    assert fake.keys[-1] == "mine"


async def test_a_preview_has_no_key_for_it_changes_nothing() -> None:
    preview = {"filter": "true", "types": [], "verdicts": {}, "delivered": 0, "events": [], "complete": True}
    fake = Fake(cut, lambda _: web.json_response(preview))

    async with asking(fake) as api:
        found = await api.preview_filter("true", types=["t"])

    assert found.complete
    assert fake.keys == [None, None]


async def test_a_name_cannot_change_the_path() -> None:
    fake = Fake(done)

    async with asking(fake) as api:
        await api.sink_delivery("../DG1?x#")

    assert fake.requests[0].raw_path == "/v1/Sinks/..%2FDG1%3Fx%23/Delivery"


@pytest.mark.parametrize(("status", "code"), [(400, 91006), (401, 20003), (404, 20404), (409, 20409), (500, 20500)])
async def test_what_is_refused_for_good_is_told_at_once(status: int, code: int) -> None:
    fake = Fake(refusal(status, code))

    async with asking(fake) as api:
        with pytest.raises(ApiError) as caught:
            await api.sink_health("DG1")

    assert (caught.value.status, caught.value.code, caught.value.message) == (status, code, "no")
    assert not caught.value.retry_is_safe
    assert len(fake.requests) == 1


async def test_whoever_is_not_answered_learns_that_another_try_is_safe_and_under_which_key() -> None:
    fake = Fake(cut, cut)

    async with asking(fake, attempts=2) as api:
        with pytest.raises(ApiError, match="does not answer") as caught:
            await api.set_sink_delivery("DG1", paused=True)

    assert caught.value.status is None
    assert caught.value.retry_is_safe
    assert caught.value.idempotency_key == fake.keys[0]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", "(Connection refused)"),
        ("http://nowhere.invalid", "(its host name does not resolve)"),
        ("http://127.0.0.1:1/v1/", "at http://127.0.0.1:1 does"),  # as `up` prints it
    ],
)
async def test_who_is_not_answered_learns_why(url: str, why: str) -> None:
    async with Connection(url, "AC1", "token", attempts=1) as connection:
        with pytest.raises(ApiError) as caught:
            await connection.get("/v1/Sinks")

    assert why in caught.value.message
    assert caught.value.message.endswith("is it running?")


async def test_who_asks_a_plain_server_by_https_learns_that_it_is_none() -> None:
    async with asking(Fake()) as api:
        url = api.connection.url.replace("http://", "https://")
        async with Connection(url, "AC1", "token", attempts=1) as connection:
            with pytest.raises(ApiError, match=r"\(the TLS handshake failed: should its URL start with http://\?\)"):
                await connection.get("/v1/Sinks")


async def test_what_is_not_utf_8_is_not_sent() -> None:
    fake = Fake()

    async with asking(fake) as api:
        with pytest.raises(ApiError, match="Description is not valid UTF-8"):
            await api.connection.post("/v1/Sinks", [("Description", "caf\udce9")])

    assert not fake.requests


async def test_who_is_asked_to_wait_for_long_gets_the_error_instead() -> None:
    fake = Fake(refusal(429, 20429, **{"Retry-After": "3600"}))

    async with asking(fake) as api:
        with pytest.raises(ApiError) as caught:
            await api.sink_health("DG1")

    assert caught.value.retry_is_safe
    assert len(fake.requests) == 1


async def test_credentials_follow_no_redirect() -> None:
    fake = Fake(lambda _: web.Response(status=302, headers={"Location": "/elsewhere"}))

    async with asking(fake) as api:
        with pytest.raises(ApiError, match="not an Event Streams API"):
            await api.sink_health("DG1")

    assert len(fake.requests) == 1


async def test_what_a_later_release_answers_in_addition_is_passed_over_and_what_lacks_is_told() -> None:
    lacking = {name: value for name, value in DELIVERY.items() if name != "paused"}
    fake = Fake(
        lambda _: web.json_response({**DELIVERY, "throttle": "of-tomorrow"}), lambda _: web.json_response(lacking)
    )

    async with asking(fake) as api:
        found = await api.sink_delivery("DG1")
        with pytest.raises(ApiError, match="does not know: paused"):
            await api.sink_delivery("DG1")

    assert found.throttle == "of-tomorrow"


async def test_the_blocking_client_says_which_to_take_where_a_loop_runs() -> None:
    with pytest.raises(RuntimeError, match="use AsyncEventStreams"), EventStreams("http://127.0.0.1:1", "AC1", "t"):
        pass


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Which(after=from_ms(0).replace(tzinfo=None)).fields()


def test_times_are_sent_in_utc_to_the_fraction() -> None:
    assert moment(from_ms(1500)) == "1970-01-01T00:00:01.500000Z"


async def test_a_limit_of_no_attempts_is_not_sent_as_no_limit() -> None:
    fake = Fake(refusal(400), refusal(400))

    async with asking(fake) as api:
        for most in (0, None):
            with pytest.raises(ApiError):
                await api.set_subscription_delivery("DF1", max_attempts=most)

    assert fake.bodies == ["MaxAttempts=0", "MaxAttempts="]
