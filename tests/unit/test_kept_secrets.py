"""A sink's next configuration: which secrets stay as they were, and what may say where they are sent."""

from collections.abc import Mapping
from typing import Any

import pytest

from control_api.sinks.kept_secrets import keep_secrets, places
from eventstreams.sinks import shown
from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.webhook.config import WebhookConfig, public
from sink_workers.plugins.webhook.standard_webhooks import HMAC

SECRET = f"{HMAC}{'a' * 32}"
UNTIL = "2099-01-01T00:00:00+00:00"
STORED: dict[str, Any] = {
    "destination": "https://hooks.example.com/a",
    "headers": {"X-Key": "key of the customer", "X-Other": "another"},
    "standard_webhooks": {"secret": SECRET, "previous": [{"secret": SECRET, "until": UNTIL}]},
}
OAUTH: dict[str, Any] = {"token_url": "https://id.example.com/token", "client_id": "me", "client_secret": "hush"}


def merged(given: Mapping[str, Any], stored: Mapping[str, Any] = STORED) -> tuple[dict[str, object], list[str]]:
    shown = public(WebhookConfig.model_validate(stored))
    kept = keep_secrets(given, shown=shown, stored=stored, model=WebhookConfig)
    return kept.configuration, sorted(kept.secrets)


def test_what_is_sent_back_as_it_was_shown_stays_as_it_is() -> None:
    shown = public(WebhookConfig.model_validate(STORED))

    configuration, _ = merged(shown)

    assert WebhookConfig.model_validate(configuration) == WebhookConfig.model_validate(STORED)


def test_an_object_that_is_left_out_goes_with_its_secrets() -> None:
    configuration, secrets = merged({"destination": "https://hooks.example.com/a", "method": "get"})

    assert configuration == {"destination": "https://hooks.example.com/a", "method": "get"}
    assert secrets == []


def test_a_secret_that_is_left_out_of_an_object_stays_and_so_do_those_in_their_grace_time() -> None:
    configuration, secrets = merged({**STORED, "standard_webhooks": {"scheme": "v1"}})

    assert configuration["standard_webhooks"] == {"scheme": "v1", **STORED["standard_webhooks"]}
    assert secrets == ["standard_webhooks.previous", "standard_webhooks.secret"]


def test_headers_come_and_go_one_by_one() -> None:
    configuration, secrets = merged({**STORED, "headers": {"X-Key": "********", "X-New": "new"}})

    assert configuration["headers"] == {"X-Key": "key of the customer", "X-New": "new"}
    assert secrets == ["headers.X-Key"]


def test_null_drops_a_secret() -> None:
    configuration, _ = merged({**STORED, "standard_webhooks": {"secret": None, "previous": []}})

    assert configuration["standard_webhooks"] == {"secret": None, "previous": []}


def test_user_and_password_of_a_url_stay_with_it() -> None:
    stored = {"destination": "https://me:hush@hooks.example.com/a"}
    shown = public(WebhookConfig.model_validate(stored))

    configuration, secrets = merged({**shown, "method": "get"}, stored)

    assert configuration["destination"] == stored["destination"]
    assert secrets == ["destination"]


def test_a_public_key_that_is_only_shown_is_no_key_of_the_configuration() -> None:
    stored = {"destination": "https://a.example", "standard_webhooks": {"scheme": "v1a", "secret": f"whsk_{'A' * 43}="}}
    shown = public(WebhookConfig.model_validate(stored))

    configuration, _ = merged(shown, stored)

    assert configuration["standard_webhooks"] == stored["standard_webhooks"]


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"destination": "https://hooks.example.com/b?c=d"}, set()),
        ({"method": "get"}, set()),
        ({"batch_events": True, "batch_linger_ms": 5}, set()),
        ({"destination": "https://evil.example/a"}, {"destination"}),
        ({"destination": "http://hooks.example.com/a"}, {"destination"}),
        ({"destination": "https://hooks.example.com:8443/a"}, {"destination"}),
        ({"oauth2": {**OAUTH, "token_url": "https://evil.example/token"}}, {"oauth2.token_url"}),
        ({"oauth2": {**OAUTH, "client_authentication": "body"}}, set()),
    ],
    ids=str,
)
def test_another_host_is_another_place(change: dict[str, Any], moved: set[str]) -> None:
    stored = {"destination": "https://hooks.example.com/a", "oauth2": OAUTH}
    before = places(public(WebhookConfig.model_validate(stored)), WebhookConfig)

    after = places(public(WebhookConfig.model_validate({**stored, **change})), WebhookConfig)

    assert {path for path, _ in after - before} == moved


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"port": 5699}, {"port"}),
        ({"tls": False}, {"tls"}),
        ({"host": "evil.example"}, {"host"}),
        ({"mandatory": False}, set()),
    ],
    ids=str,
)
def test_another_port_and_the_end_of_tls_are_another_place(change: dict[str, Any], moved: set[str]) -> None:
    stored = {"host": "rabbit.example.com", "username": "me", "password": "hush", "routing_key": "events"}
    before = places(shown(AmqpConfig.model_validate(stored)), AmqpConfig)

    after = places(shown(AmqpConfig.model_validate({**stored, **change})), AmqpConfig)

    assert {path for path, _ in after - before} == moved


def test_where_tls_begins_secrets_go_where_they_went() -> None:
    stored = {"host": "rabbit.example.com", "username": "me", "password": "hush", "routing_key": "e", "tls": False}
    before = places(shown(AmqpConfig.model_validate(stored)), AmqpConfig)

    assert places(shown(AmqpConfig.model_validate({**stored, "tls": True})), AmqpConfig) <= before
