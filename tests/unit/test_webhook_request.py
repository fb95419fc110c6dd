"""Webhook requests: what is sent is what was signed, and the official validator agrees."""

import base64
import hashlib
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from twilio.request_validator import RequestValidator

from sink_workers.plugins.webhook.client import lines_of
from sink_workers.plugins.webhook.config import WebhookConfig, public
from sink_workers.plugins.webhook.request import RequestBuilder
from sink_workers.plugins.webhook.signature import signed_url, signer
from tests.support.webhooks import TOKEN, context, event

NOW = datetime(2026, 3, 29, 4, 1, 2, tzinfo=UTC)
BODY = b'[{"specversion":"1.0","id":"EZ00000000000000000000000000000001"}]'


def test_the_signature_of_the_known_vector_is_the_known_one() -> None:
    url = signed_url("https://hooks.example.com/tw", BODY)

    assert url == f"https://hooks.example.com/tw?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    assert signer("12345")(url) == "iFuqAxHgiZkU3g+3r2anQQ7VHsM="


def test_user_and_password_can_be_signed_as_the_known_vector_has_them() -> None:
    url = signed_url("https://user:pa%24s@hooks.example.com:8443/tw", BODY)

    assert signer("12345")(url) == "5HCLbfc5Tw+v/fAUjIuRqjnBs2g="


@pytest.mark.parametrize(
    "destination",
    [
        "https://hooks.example.com/tw",
        "http://hooks.example.com",
        "https://hooks.example.com:8443/a/b?x=1&y=%C3%A9",
        "https://hooks.example.com/a%2Fb/?q=a+b",
        "https://user:pa%24s@hooks.example.com/tw",
        "http://127.0.0.1:8080/hook#fragment",
    ],
)
def test_the_official_validator_accepts_what_is_sent(destination: str) -> None:
    request = RequestBuilder(WebhookConfig(destination=destination), context()).build([event(text="größer")], NOW)

    validator = RequestValidator(TOKEN)
    received = request.headers["X-Twilio-Signature"]
    assert validator.validate(request.url, request.body.decode(), received)
    assert not validator.validate(request.url, request.body.decode() + " ", received)
    assert not validator.validate(request.url + "&a=b", request.body.decode(), received)


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53)), min_size=1, max_size=5))
def test_any_events_make_a_signed_array(datas: list[dict[str, object]]) -> None:
    builder = RequestBuilder(WebhookConfig(destination="https://h.example/x"), context())

    request = builder.build([event(number) for number, _ in enumerate(datas)], NOW)

    query = parse_qs(urlsplit(request.url).query)
    assert query["bodySHA256"] == [hashlib.sha256(request.body).hexdigest()]
    assert [each["id"] for each in orjson.loads(request.body)] == [f"EZ{number}" for number, _ in enumerate(datas)]


def test_the_body_is_an_array_also_of_one_event() -> None:
    request = RequestBuilder(WebhookConfig(destination="https://h.example/x"), context()).build([event(a=1)], NOW)

    assert orjson.loads(request.body) == [
        {
            "specversion": "1.0",
            "type": "com.acme.thing.made",
            "source": "/things/1",
            "id": "EZ1",
            "dataschema": "https://schemas/Acme.Thing/1",
            "datacontenttype": "application/json",
            "time": "2026-03-29T04:01:02.345Z",
            "data": {"a": 1},
        }
    ]
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("headers", [{}, {"X-Team": "one", "content-type": "text/plain"}], ids=["ours", "and theirs"])
def test_the_lines_that_are_made_once_are_those_of_all_headers(headers: dict[str, str]) -> None:
    config = WebhookConfig.model_validate({"destination": "https://user:word@h.example/x", "headers": headers})

    request = RequestBuilder(config, context()).build([event(a=1)], NOW)

    assert request.lines == lines_of(request.headers)


def test_where_headers_change_with_each_request_no_lines_are_made_ahead() -> None:
    builder = RequestBuilder(WebhookConfig(destination="https://h.example/x"), context())

    assert builder.build([event(a=1)], NOW, access_token="a-token").lines is None


def test_user_and_password_travel_as_basic_authorization_and_not_in_the_url() -> None:
    config = WebhookConfig(destination="https://us%40er:pa%24s@h.example/x", method="GET")

    request = RequestBuilder(config, context()).build([event()], NOW)

    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"us@er:pa$s").decode()
    assert "pa%24s" not in request.url
    assert request.url.startswith("https://h.example/x?bodySHA256=")
    assert request.method == "GET"


def test_user_and_password_are_not_shown_again() -> None:
    config = WebhookConfig(destination="https://user:hunter2@h.example/x")

    assert public(config) == {
        "destination": "https://********@h.example/x",
        "method": "post",
        "batch_events": False,
    }


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "https://",
        "https:///path",
        "https://h.example:99999/",
        "https://h.example:0x50/",
        "https://h.example/\r\nX-Evil: 1",
        "https://h.example/a b",
        "https://h.example/größe",
        "https://[::1/",
        "https://" + "a" * 3000 + ".example/",
        "javascript:alert(1)",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
    ],
)
def test_a_destination_that_is_no_usable_url_is_refused_with_a_sentence(destination: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig(destination=destination)

    assert len(caught.value.errors()) == 1


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({"destination": "https://h.example", "methd": "POST"})

    assert caught.value.errors()[0]["loc"] == ("methd",)
