"""Access tokens: fetched when needed, shared, renewed, and never seen by anybody but their two servers."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from pydantic import ValidationError

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    Rejected,
    RetryLater,
    RetryReason,
)
from eventstreams.testing.receiver import Answer, Received, Receiver
from sink_workers.plugins.webhook import PLUGIN
from sink_workers.plugins.webhook.client import HttpClient
from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.oauth import OAuthConfig, Token, TokenSource
from sink_workers.plugins.webhook.request import RequestBuilder
from sink_workers.plugins.webhook.sink import WebhookSink
from tests.support.webhooks import LOOPBACK, context, deliver, event, opened, raw_server, read_request

CLIENT = {"client_id": "the:client", "client_secret": "hunter2+&"}


def tokens(**fields: object) -> Callable[[Received], web.Response]:
    """An authorization server that gives ``t1``, ``t2`` …"""
    given = 0

    def answer(_: Received) -> web.Response:
        nonlocal given
        given += 1
        return web.json_response({"access_token": f"t{given}", "token_type": "Bearer", "expires_in": 3600} | fields)

    return answer


def takes(*good: str) -> Callable[[Received], Answer]:
    """A destination that takes some tokens."""
    return lambda received: 200 if received.headers.get("Authorization") in {f"Bearer {each}" for each in good} else 401


async def test_deliveries_carry_a_token_that_was_fetched_once() -> None:
    async with Receiver(tokens()) as server, Receiver(takes("t1")) as receiver:
        oauth2 = {"token_url": server.url, "scope": "a b", "audience": "https://aud/", **CLIENT}
        outcomes = await deliver(receiver.url, batches=[[event(1)], [event(2)]], oauth2=oauth2)

    assert outcomes == [Delivered()] * 2
    (asked,) = server.received
    assert asked.method == "POST"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["a b"],
        "audience": ["https://aud/"],
    }
    assert base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")) == b"the%3Aclient:hunter2%2B%26"


async def test_the_client_can_say_who_it_is_in_the_body() -> None:
    async with Receiver(tokens()) as server, Receiver(takes("t1")) as receiver:
        oauth2 = {"token_url": server.url, "client_authentication": "body", **CLIENT}
        await deliver(receiver.url, oauth2=oauth2)

    (asked,) = server.received
    assert "Authorization" not in asked.headers
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["the:client"],
        "client_secret": ["hunter2+&"],
    }


async def test_deliveries_side_by_side_share_one_fetch() -> None:
    async with (
        Receiver(tokens()) as server,
        Receiver(takes("t1")) as receiver,
        opened(receiver.url, oauth2={"token_url": server.url, **CLIENT}) as sink,
    ):
        outcomes = await asyncio.gather(*(sink.deliver([event(number)]) for number in range(20)))

    assert outcomes == [[Delivered()]] * 20
    assert len(server.received) == 1


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened_at(clock: Clock, destination: str, token_url: str) -> AsyncIterator[WebhookSink]:
    """A sink whose tokens age as ``clock`` says."""
    oauth2 = {"token_url": token_url, **CLIENT}
    config = WebhookConfig.model_validate({"destination": destination, "oauth2": oauth2})
    assert config.oauth2 is not None
    client = HttpClient(LOOPBACK)
    source = TokenSource(config.oauth2, client, user_agent="test", clock=clock)
    sink = WebhookSink(RequestBuilder(config, context()), client, source)
    try:
        yield sink
    finally:
        await sink.aclose()


async def test_a_token_that_is_refused_is_replaced_once() -> None:
    clock = Clock()
    async with (
        Receiver(tokens()) as server,
        Receiver(takes("t1")) as receiver,
        opened_at(clock, receiver.url, server.url) as sink,
    ):
        await sink.deliver([event(1)])
        clock.now += 2
        receiver.answer = takes("t2")
        second = await sink.deliver([event(2)])

    assert second == [Delivered()]
    assert [each.headers["Authorization"] for each in receiver.received] == ["Bearer t1", "Bearer t1", "Bearer t2"]


async def test_a_destination_that_refuses_every_token_refuses_the_event_and_costs_one_fetch_a_second() -> None:
    clock = Clock()
    async with (
        Receiver(tokens()) as server,
        Receiver(takes()) as receiver,
        opened_at(clock, receiver.url, server.url) as sink,
    ):
        outcomes: list[DeliveryOutcome] = []
        for number in range(20):
            outcomes += await sink.deliver([event(number)])
            clock.now += 0.2

    assert outcomes == [Rejected(DeadReason.REFUSED, "HTTP 401", 401)] * 20
    assert len(server.received) == 4


@pytest.mark.parametrize(
    ("expires_in", "used_s", "over_s"),
    [(3600, 3569.0, 3571.0), ("3600", 3569.0, 3571.0), (40, 19.0, 21.0), (None, 269.0, 271.0), ("soon", 269.0, 271.0)],
)
async def test_a_token_is_used_until_shortly_before_its_end(expires_in: object, used_s: float, over_s: float) -> None:
    clock = Clock()
    async with Receiver(tokens(expires_in=expires_in)) as server:
        client = HttpClient(LOOPBACK)
        config = OAuthConfig.model_validate({"token_url": server.url, **CLIENT})
        source = TokenSource(config, client, user_agent="test", clock=clock)
        values = []
        for at_s in (0.0, used_s, over_s):
            clock.now = 1000.0 + at_s
            token = await source.token()
            assert isinstance(token, Token)
            values.append(token.value)
        await source.aclose()
        await client.aclose()

    assert values == ["t1", "t1", "t2"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: 503, "HTTP 503"),
        (lambda _: web.json_response({"error": "invalid_client"}, status=401), "HTTP 401: invalid_client"),
        (lambda _: web.json_response({"error": "hunter2!"}, status=400), "HTTP 400"),
        (lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
        (lambda _: web.Response(text="hunter2"), "its answer has no usable access_token"),
        (lambda _: web.json_response(["hunter2"]), "its answer has no usable access_token"),
        (lambda _: web.json_response({"access_token": 5}), "its answer has no usable access_token"),
        (lambda _: web.json_response({"access_token": "a\r\nb"}), "its answer has no usable access_token"),
        (lambda _: web.json_response({"access_token": "a", "token_type": "x"}), "its token is not of the type Bearer"),
    ],
)  # fmt: skip
async def test_without_a_token_nothing_is_sent_and_the_reason_is_told(
    answer: Callable[[Received], Answer], why: str
) -> None:
    async with Receiver(answer) as server, Receiver() as receiver:
        (outcome,) = await deliver(receiver.url, oauth2={"token_url": server.url, **CLIENT})

    assert outcome == RetryLater(RetryReason.SINK_UNUSABLE, f"no access token: the token endpoint: {why}")
    assert receiver.received == []


async def test_a_token_endpoint_that_never_answers_is_given_up() -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()

    async with raw_server(talk) as url:
        (outcome,) = await deliver("http://127.0.0.1:1/", oauth2={"token_url": url, **CLIENT})

    detail = "no access token: the token endpoint: no answer within 5 s"
    assert outcome == RetryLater(RetryReason.SINK_UNUSABLE, detail)


async def test_after_a_failure_the_next_delivery_asks_again() -> None:
    async with (
        Receiver(lambda _: 500) as server,
        Receiver(takes("t1")) as receiver,
        opened(receiver.url, oauth2={"token_url": server.url, **CLIENT}) as sink,
    ):
        (first,) = await sink.deliver([event(1)])
        server.answer = tokens()
        (second,) = await sink.deliver([event(2)])

    assert isinstance(first, RetryLater)
    assert second == Delivered()


async def test_the_token_endpoint_is_guarded_as_the_destination_is() -> None:
    async with Receiver(tokens()) as server:
        (outcome,) = await deliver(
            "https://h.example/x", guard=DestinationGuard(), oauth2={"token_url": server.url, **CLIENT}
        )

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert server.received == []


async def test_a_delivery_that_is_cancelled_leaves_the_token_to_the_others() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await go_on.wait()
        body = b'{"access_token": "t1", "token_type": "bearer"}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async with (
        raw_server(talk) as url,
        Receiver(takes("t1")) as receiver,
        opened(receiver.url, oauth2={"token_url": url, **CLIENT}) as sink,
    ):
        first = asyncio.ensure_future(deliver_one(sink, 1))
        second = asyncio.ensure_future(deliver_one(sink, 2))
        await asked.wait()
        first.cancel()
        go_on.set()
        assert await second == Delivered()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_closing_while_a_token_is_fetched_ends_the_fetch_and_the_event_is_tried_again() -> None:
    asked = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()

    async with raw_server(talk) as url, opened("http://127.0.0.1:1/", oauth2={"token_url": url, **CLIENT}) as sink:
        running = asyncio.ensure_future(deliver_one(sink, 1))
        await asked.wait()
        await sink.aclose()
        outcome = await running

    assert outcome == RetryLater(RetryReason.SINK_UNUSABLE, "no access token: the sink was closed in the meantime")


async def deliver_one(sink: WebhookSink, number: int) -> DeliveryOutcome:
    (outcome,) = await sink.deliver([event(number)])
    return outcome


async def test_an_answer_that_repeats_the_token_is_kept_without_it() -> None:
    page = lambda received: web.Response(status=500, text=f"got {received.headers['Authorization']}")  # noqa: E731
    async with Receiver(tokens(access_token="s3cr3t-t0k3n")) as server, Receiver(page) as receiver:
        (outcome,) = await deliver(receiver.url, oauth2={"token_url": server.url, **CLIENT})

    assert isinstance(outcome, RetryLater)
    assert outcome.answer == "got Bearer ********"


def test_the_secret_is_not_shown_again() -> None:
    oauth2 = {"token_url": "https://a.example/t", "scope": "x", **CLIENT}
    config = WebhookConfig.model_validate({"destination": "https://h.example", "oauth2": oauth2})

    assert PLUGIN.public(config)["oauth2"] == {
        "token_url": "https://a.example/t",
        "client_id": "the:client",
        "client_secret": "********",
        "scope": "x",
    }
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"token_url": "http://a.example/t"},
        {"token_url": "https://user:hunter3@a.example/t"},
        {"token_url": "https://a.example/t#x"},
        {"token_url": "ftp://a.example/t"},
        {"token_url": "https://a.example/ t"},
        {"token_url": "https:///t"},
        {"token_url": ""},
        {"client_id": ""},
        {"client_secret": ""},
        {"client_secret": 5},
        {"client_authentication": "jwt"},
        {"grant_type": "password"},
    ],
)
def test_what_cannot_be_used_is_refused_without_repeating_a_secret(changes: dict[str, object]) -> None:
    oauth2 = {"token_url": "https://a.example/t", **CLIENT, **changes}

    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({"destination": "https://h.example", "oauth2": oauth2})

    assert "hunter" not in str(caught.value) + json.dumps(caught.value.errors(include_input=False), default=str)


def test_a_token_leaves_room_for_no_other_authorization() -> None:
    oauth2 = {"token_url": "https://a.example/t", **CLIENT}

    with pytest.raises(ValidationError, match="each set the Authorization header"):
        WebhookConfig.model_validate({"destination": "https://u:p@h.example", "oauth2": oauth2})


def test_the_worker_waits_long_enough_for_a_token_and_a_request_twice() -> None:
    oauth2 = {"token_url": "https://a.example/t", **CLIENT}
    config = WebhookConfig.model_validate({"destination": "https://h.example", "oauth2": oauth2})

    assert PLUGIN.capabilities(config).timeout_s > 20
