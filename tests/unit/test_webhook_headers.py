"""Headers that a subscriber adds: which are sent, which are refused, and that no value is seen again."""

import json

import pytest
from pydantic import ValidationError

from eventstreams.testing.receiver import Receiver
from sink_workers.plugins.webhook import PLUGIN
from sink_workers.plugins.webhook.config import WebhookConfig
from tests.support.webhooks import deliver

URL = "https://h.example/x"


def problem_with(headers: object, destination: str = URL) -> str:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({"destination": destination, "headers": headers})
    errors = caught.value.errors(include_url=False, include_input=False, include_context=False)
    return json.dumps(errors) + str(caught.value)


async def test_they_are_sent_as_they_were_given() -> None:
    headers = {"X-Api-Key": "k3y with spaces", "Authorization": "Token abc", "X-Empty": ""}

    async with Receiver() as receiver:
        await deliver(receiver.url, headers=headers)

    (received,) = receiver.received
    assert {name: received.headers[name] for name in headers} == headers


async def test_content_type_and_user_agent_can_be_others() -> None:
    headers = {"content-type": "application/cloudevents-batch+json", "USER-AGENT": "acme"}

    async with Receiver() as receiver:
        await deliver(receiver.url, headers=headers)

    (received,) = receiver.received
    assert received.headers.getall("Content-Type") == ["application/cloudevents-batch+json"]  # type: ignore[attr-defined]
    assert received.headers.getall("User-Agent") == ["acme"]  # type: ignore[attr-defined]


def test_their_values_are_not_shown_again() -> None:
    config = WebhookConfig.model_validate({"destination": URL, "headers": {"X-Api-Key": "hunter2"}})

    assert PLUGIN.public(config)["headers"] == {"X-Api-Key": "********"}
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "TE", "Upgrade", "Expect", "Keep-Alive",
     "Proxy-Authorization", "X-Twilio-Signature", "Webhook-Id", "webhook-signature", "webhook-timestamp"],
)  # fmt: skip
def test_what_is_set_here_cannot_be_given(name: str) -> None:
    assert f"{name} cannot be given" in problem_with({name: "hunter2"})


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nEvil", "Größe", "X\x00", "(x)", "a" * 129])
def test_a_name_that_is_no_token_is_refused_without_repeating_it(name: str) -> None:
    said = problem_with({name: "hunter2"})

    assert "the name of header 1 is not an HTTP token" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "value", ["hunter2\r\nX-Evil: 1", "hunter2\n", " hunter2", "hunter2 ", "hünter2", "hunter2\x00", "\t"]
)
def test_a_value_that_cannot_be_sent_is_refused_without_repeating_it(value: str) -> None:
    said = problem_with({"X-Api-Key": value})

    assert "the value of X-Api-Key must be printable ASCII" in said
    assert "nter2" not in said


@pytest.mark.parametrize("headers", [["hunter2"], "hunter2", {"X": ["hunter2"]}, {"X": 2}, None])
def test_what_is_no_object_of_texts_is_refused_without_repeating_it(headers: object) -> None:
    assert "hunter2" not in problem_with(headers)


def test_a_name_cannot_be_there_twice() -> None:
    assert "x-a is given twice" in problem_with({"X-A": "1", "x-a": "2"})


def test_there_are_bounds() -> None:
    assert "at most 32 are allowed" in problem_with({f"X-{number}": "1" for number in range(33)})
    assert "at most 8192 are allowed" in problem_with({"X": "x" * 8192})


def test_authorization_comes_from_one_place() -> None:
    said = problem_with({"authorization": "Token hunter2"}, "https://user:hunter3@h.example/x")

    assert "destination (its user) and headers (Authorization) each set the Authorization header" in said
    assert "hunter" not in said
