"""What a subscriber may configure, what it means for the worker, and what is seen of it again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eventstreams.sinks import Delivered
from eventstreams.testing.receiver import Receiver
from sink_workers.plugins.webhook import PLUGIN
from sink_workers.plugins.webhook.config import WebhookConfig
from tests.support.webhooks import deliver, event

URL = "https://h.example/x"


def configured(**configuration: object) -> WebhookConfig:
    return WebhookConfig.model_validate({"destination": URL, **configuration})


def test_without_batches_each_request_has_one_event() -> None:
    assert PLUGIN.capabilities(configured()).max_batch_events == 1


def test_batches_are_by_default_those_of_the_reference() -> None:
    capabilities = PLUGIN.capabilities(configured(batch_events=True))

    assert capabilities.max_batch_events == 100
    assert capabilities.max_batch_bytes + 101 == 64 * 1024
    assert capabilities.linger_s == 0.5


def test_batches_are_as_they_are_configured() -> None:
    capabilities = PLUGIN.capabilities(
        configured(batch_events=True, batch_max_events=10, batch_max_bytes=8192, batch_linger_ms=20)
    )

    assert capabilities.max_batch_events == 10
    assert capabilities.max_batch_bytes + 11 == 8192
    assert capabilities.linger_s == 0.02


async def test_the_fullest_batch_makes_no_larger_body_than_was_configured() -> None:
    config = configured(batch_events=True)
    capabilities = PLUGIN.capabilities(config)
    size = capabilities.max_batch_bytes // capabilities.max_batch_events
    frame = len(event(0, text="").json())
    batch = [event(number % 10, text="x" * (size - frame)) for number in range(capabilities.max_batch_events)]

    async with Receiver() as receiver:
        outcomes = await deliver(receiver.url, batches=[batch], batch_events=True)

    assert outcomes == [Delivered()] * 100
    assert len(receiver.received[0].body) <= 64 * 1024
    assert len(receiver.received[0].events) == 100


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_max_events": 0},
        {"batch_max_events": 1001},
        {"batch_max_bytes": 4095},
        {"batch_max_bytes": 2**20 + 1},
        {"batch_linger_ms": -1},
        {"batch_linger_ms": 10_001},
        {"batch_max_events": "many"},
    ],
)
def test_batches_have_bounds(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        configured(batch_events=True, **changes)


@pytest.mark.parametrize("key", ["batch_max_events", "batch_max_bytes", "batch_linger_ms"])
def test_settings_of_batches_need_batches(key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key} is only for sinks with batch_events: true"):
        configured(**{key: 5000 if key == "batch_max_bytes" else 5})


def test_what_was_not_given_is_not_shown() -> None:
    assert PLUGIN.public(configured()) == {"destination": URL, "method": "post", "batch_events": False}


def test_what_was_given_is_shown() -> None:
    given = {
        "method": "get",
        "batch_events": True,
        "batch_max_events": 5,
        "batch_max_bytes": 5000,
        "batch_linger_ms": 0,
    }

    assert PLUGIN.public(configured(**given)) == {"destination": URL, **given}


@pytest.mark.parametrize(
    ("destination", "shown"),
    [
        ("https://user:hunter2@h.example/x?a=b", "https://********@h.example/x?a=b"),
        ("https://hunter2@h.example:8443/", "https://********@h.example:8443/"),
        ("https://:hunter2@h.example/", "https://********@h.example/"),
    ],
)
def test_user_and_password_are_shown_nowhere(destination: str, shown: str) -> None:
    config = configured(destination=destination)

    assert PLUGIN.public(config)["destination"] == shown
    assert "hunter2" not in repr(config) + str(config)


@given(st.text() | st.from_regex(r"https?://[^/]{1,40}/.{0,20}"))
def test_any_text_is_a_destination_or_is_refused_with_a_sentence_that_does_not_repeat_it(text: str) -> None:
    try:
        config = WebhookConfig(destination=text)
    except ValidationError as error:
        (only,) = error.errors(include_input=False)
        assert only["msg"].startswith(("Value error, it", "String should have at most"))
    else:
        assert config.url.startswith(("http://", "https://"))
        assert config.url.isascii()


def test_configurations_of_the_first_release_stay_readable() -> None:
    stored = '{"destination": "https://user:pw@h.example:8443/x?y=1#z", "method": "POST", "batch_events": true}'

    assert WebhookConfig.model_validate_json(stored).url == "https://h.example:8443/x?y=1"
