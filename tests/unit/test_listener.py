"""``eventstreams listen``: which signatures it takes for genuine, and how it answers."""

import base64
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
import yarl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from control_api.listener.receiver import Plan, Receiver, Seen, UnexpectedRequest
from control_api.listener.signatures import Known, Verdict, check_secret, verdict
from eventstreams.process.listen import address_of, open_socket
from sink_workers.plugins.webhook.client import HttpRequest
from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.request import RequestBuilder
from tests.support.webhooks import TOKEN, context, event

URL = "http://127.0.0.1:9000/hook?a=b"
NOW = datetime(2026, 3, 29, 4, 1, 2, tzinfo=UTC)
HMAC = "whsec_" + base64.b64encode(b"k" * 32).decode()
SEED = b"s" * 32
PRIVATE = "whsk_" + base64.b64encode(SEED).decode()
PUBLIC = "whpk_" + base64.b64encode(Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()).decode()


def request(url: str = URL, **configuration: object) -> HttpRequest:
    """As a worker makes it."""
    config = WebhookConfig.model_validate({"destination": url, **configuration})
    return RequestBuilder(config, context()).build([event(1)], NOW)


def judged(known: Known, sent: HttpRequest, *, later_s: float = 0, url: str | None = None) -> Verdict:
    return verdict(known, url or sent.url, sent.headers, sent.body, now_s=NOW.timestamp() + later_s)


def test_what_a_worker_signs_is_genuine() -> None:
    assert judged(Known(TOKEN), request()) is Verdict.GENUINE
    assert judged(Known(TOKEN), request("http://127.0.0.1:9000/")) is Verdict.GENUINE


def test_with_nothing_to_check_it_with_a_signature_is_unchecked() -> None:
    assert judged(Known(), request()) is Verdict.UNCHECKED


def test_another_token_another_body_another_url_and_no_signature_are_not_genuine() -> None:
    sent = request()

    assert judged(Known("another-token"), sent) is Verdict.WRONG
    assert verdict(Known(TOKEN), sent.url, sent.headers, sent.body + b" ", now_s=0) is Verdict.WRONG
    assert judged(Known(TOKEN), sent, url=sent.url.replace("9000", "9001")) is Verdict.WRONG
    assert verdict(Known(TOKEN), sent.url, {}, sent.body, now_s=0) is Verdict.MISSING
    assert verdict(Known(TOKEN), sent.url, {"X-Twilio-Signature": "é\udc80"}, b"", now_s=0) is Verdict.WRONG


def test_behind_a_proxy_the_sink_s_own_url_counts() -> None:
    sent = request("https://hooks.example.com/in?a=b")
    arrived = sent.url.replace("https://hooks.example.com/in", "http://127.0.0.1:9000/else")

    assert judged(Known(TOKEN), sent, url=arrived) is Verdict.WRONG
    assert judged(Known(TOKEN, url="https://hooks.example.com/in?a=b"), sent, url=arrived) is Verdict.GENUINE


@pytest.mark.parametrize(("scheme", "secret", "known"), [("v1", HMAC, HMAC), ("v1a", PRIVATE, PUBLIC)])
def test_standard_webhooks_are_checked_too_and_both_must_be_right(scheme: str, secret: str, known: str) -> None:
    sent = request(standard_webhooks={"scheme": scheme, "secret": secret})
    changed = HttpRequest(sent.method, sent.url, {**sent.headers, "webhook-id": "another"}, sent.body)

    assert judged(Known(TOKEN, known), sent) is Verdict.GENUINE
    assert judged(Known(None, known), sent) is Verdict.GENUINE
    assert judged(Known("another-token", known), sent) is Verdict.WRONG
    assert judged(Known(TOKEN, known), changed) is Verdict.WRONG
    assert judged(Known(TOKEN, known), request()) is Verdict.MISSING
    assert judged(Known(TOKEN, known), sent, later_s=299) is Verdict.GENUINE
    assert judged(Known(TOKEN, known), sent, later_s=302) is Verdict.WRONG


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "9" * 5000, "²"])
def test_a_time_that_is_none_is_wrong(stamp: str) -> None:
    headers = {"webhook-id": "x", "webhook-timestamp": stamp, "webhook-signature": "v1,x"}

    assert verdict(Known(None, HMAC), URL, headers, b"[]", now_s=0) is Verdict.WRONG


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_*", "whpk_c2hvcnQ=", PRIVATE])
def test_a_secret_that_cannot_check_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_… or whpk_…") as caught:
        check_secret(secret)

    assert len(secret) < 8 or secret not in str(caught.value)


def test_secrets_show_in_no_repr() -> None:
    assert "token-1" not in repr(Known("token-1", "whsec_1"))
    assert "whsec_1" not in repr(Known("token-1", "whsec_1"))


@pytest.mark.parametrize(
    ("plan", "answers"),
    [
        pytest.param(Plan(), [200, 200, 200], id="takes all"),
        pytest.param(Plan(500), [500, 500, 500], id="always the same"),
        pytest.param(Plan(503, fail_first=2), [503, 503, 200], id="fails at first"),
        pytest.param(Plan(503, fail_first=0), [200, 200, 200], id="never fails"),
    ],
)
def test_it_answers_as_it_is_told(plan: Plan, answers: list[int]) -> None:
    assert [plan.answer([arrival]) for arrival in (1, 2, 3)] == answers


def test_a_batch_fails_while_one_of_its_events_is_to_fail() -> None:
    assert Plan(503, fail_first=1).answer([5, 1]) == 503


@asynccontextmanager
async def listening(plan: Plan, known: Known) -> AsyncIterator[tuple[str, list[Seen | UnexpectedRequest]]]:
    told: list[Seen | UnexpectedRequest] = []
    receiver = Receiver(plan, told.append)
    receiver.known = known
    opened = open_socket("127.0.0.1:0", setting="test")
    url = f"http://{address_of(opened)}/hook"
    async with receiver.listening(opened):
        yield url, told


async def post(sent: HttpRequest) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            sent.method, yarl.URL(sent.url, encoded=True), data=io.BytesIO(sent.body), headers=sent.headers
        ) as answer,
    ):
        return answer.status


async def test_each_event_is_told_with_how_often_it_came() -> None:
    async with listening(Plan(503, fail_first=1), Known(TOKEN)) as (url, told):
        answers = [await post(request(url)), await post(request(url))]

    assert answers == [503, 200]
    seen = [each for each in told if isinstance(each, Seen)]
    assert [(each.event["id"], each.arrival, each.signature, each.answered) for each in seen] == [
        ("EZ1", 1, Verdict.GENUINE, 503),
        ("EZ1", 2, Verdict.GENUINE, 200),
    ]


async def test_what_is_not_signed_is_refused_and_does_not_count() -> None:
    async with listening(Plan(503, fail_first=1), Known(TOKEN)) as (url, told):
        forged = await post(HttpRequest("POST", url, {}, json.dumps([{"id": "EZ1"}]).encode()))
        genuine = await post(request(url))

    assert (forged, genuine) == (403, 503)
    assert [(each.arrival, each.signature) for each in told if isinstance(each, Seen)] == [
        (0, Verdict.MISSING),
        (1, Verdict.GENUINE),
    ]


@pytest.mark.parametrize(
    ("plan", "body", "status"),
    [
        pytest.param(Plan(), b"[]", 200, id="probe"),
        pytest.param(Plan(500), b"[]", 500, id="probe of one that fails"),
        pytest.param(Plan(503, 1), b"[]", 200, id="probe of one that fails at first"),
        pytest.param(Plan(), b"hello \xff", 400, id="no JSON"),
        pytest.param(Plan(), b"[1]", 400, id="no events"),
        pytest.param(Plan(), b"[" * 100_000, 400, id="deep"),
    ],
)
async def test_a_request_without_events_is_answered_and_told(plan: Plan, body: bytes, status: int) -> None:
    async with listening(plan, Known()) as (url, told):
        answered = await post(HttpRequest("POST", url, {}, body))

    assert answered == status
    [odd] = told
    assert isinstance(odd, UnexpectedRequest)
    assert odd.answered == status


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with listening(Plan(), Known()) as (url, told):
        answered = await post(HttpRequest("POST", url, {}, b" " * ((8 << 20) + 1)))

    assert answered == 413
    assert told == []


def test_what_it_remembers_is_bounded() -> None:
    receiver = Receiver(Plan(), lambda _: None, clock=time.time)
    for number in range(10_100):
        receiver._arrived(f"EZ{number}")

    assert len(receiver._arrivals) == 10_000
    assert receiver._arrived("EZ10099") == 2
    assert receiver._arrived("EZ0") == 1
