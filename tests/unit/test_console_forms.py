"""The console's forms of sinks, made of their plugins' models."""

import orjson
import pytest
from pydantic import BaseModel, SecretStr

from control_api.console.config_form import ConfigField, Kind, fields_of, problems, read, written
from eventstreams.http import RefusedError
from eventstreams.sinks.registry import load_plugins
from sink_workers.plugins.webhook.config import WebhookConfig, public

PLUGINS = load_plugins()
SECRET = "whsec_" + "A" * 32


class Odd(BaseModel):
    """Of a plugin of somebody's own."""

    names: list[str] = []
    ratio: float = 0.5
    on: bool = True
    token: SecretStr


@pytest.mark.parametrize("sink_type", sorted(PLUGINS))
def test_each_plugins_form_has_a_field_for_each_key_with_a_word_of_help(sink_type: str) -> None:
    model = PLUGINS[sink_type].config

    fields = fields_of(model)

    assert {each.key for each in fields} == set(model.model_fields)
    assert {each.key for each in fields if each.required} == {
        key for key, each in model.model_fields.items() if each.is_required()
    }
    assert [each.path for each in fields if not each.help] == []
    needed_first = [not each.required for each in fields]
    assert needed_first == sorted(needed_first)


def test_what_few_sinks_need_is_folded_away_with_the_secrets_that_go_with_it() -> None:
    def rare(sink_type: str) -> set[str]:
        return {each.key for each in fields_of(PLUGINS[sink_type].config) if each.rare}

    assert rare("kafka") == {"ca_certificate", "client_certificate", "client_key"}
    assert rare("kinesis") == set()
    assert {"headers", "client_key", "oauth2", "batch_max_events"} <= rare("webhook")
    assert not {"destination", "method", "batch_events"} & rare("webhook")


def test_what_is_filled_in_is_the_configuration_and_what_is_left_empty_is_left_out() -> None:
    fields = fields_of(WebhookConfig)
    given = {
        "c.destination": " https://hooks.example.com/a ",
        "c.method": "get",
        "c.batch_events": "on",
        "c.batch_max_events": "7",
        "c.headers": "X-One: 1\n\nX-Two:  a: b ",
        "c.standard_webhooks": "on",
        "c.standard_webhooks.scheme": "v1",
        "c.standard_webhooks.secret": SECRET,
        "c.oauth2.token_url": "https://auth.example.com",  # its group is not in use
        "c.client_key": "",
    }

    found = read(fields, given)

    assert found == {
        "destination": "https://hooks.example.com/a",
        "method": "get",
        "batch_events": True,
        "batch_max_events": 7,
        "headers": {"X-One": "1", "X-Two": "a: b"},
        "standard_webhooks": {"scheme": "v1", "secret": SECRET},
    }
    assert WebhookConfig.model_validate(found).batch_max_events == 7


def test_a_form_of_what_is_there_says_the_same_again_and_has_no_secret() -> None:
    config = WebhookConfig.model_validate(
        {
            "destination": "https://hooks.example.com/a",
            "headers": {"X-Key": "sesame"},
            "standard_webhooks": {"secret": SECRET},
            "batch_events": True,
            "batch_linger_ms": 9,
        }
    )
    shown, fields = public(config), fields_of(WebhookConfig)

    values = written(fields, shown)

    assert values["c.headers"] == "X-Key: ********"
    assert "c.standard_webhooks.secret" not in values
    assert not any("sesame" in each or SECRET in each for each in values.values())
    again = read(fields, values)
    standard = shown["standard_webhooks"]
    assert isinstance(standard, dict)
    assert again == {**shown, "standard_webhooks": {"scheme": standard["scheme"]}}


def test_what_a_form_cannot_know_is_asked_for_as_json_and_sent_as_it_is_where_it_is_none() -> None:
    kinds = {each.key: each.kind for each in fields_of(Odd)}

    found = read(fields_of(Odd), {"c.names": '["a", "b"]', "c.ratio": "2.5", "c.token": " kept "})
    wrong = read(fields_of(Odd), {"c.names": "[", "c.ratio": "much", "c.on": "on"})

    assert kinds == {"names": Kind.JSON, "ratio": Kind.NUMBER, "on": Kind.CHECK, "token": Kind.SECRET}
    assert found == {"names": ["a", "b"], "ratio": 2.5, "on": False, "token": " kept "}
    assert wrong == {"names": "[", "ratio": "much"}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        pytest.param("ratio", "nan", id="no number, of which JSON would make null: what drops a key"),
        pytest.param("ratio", "1e999", id="an endless one"),
        pytest.param("ratio", "9" * 30, id="one larger than JSON can say"),
        pytest.param("ratio", "9" * 5000, id="one longer than Python reads"),
        pytest.param("names", "[" * 300 + "]" * 300, id="lists deeper than can be written"),
    ],
)
def test_what_json_cannot_say_goes_as_it_was_filled_in_for_the_api_to_refuse(field: str, text: str) -> None:
    found = read(fields_of(Odd), {f"c.{field}": text})

    assert found == {field: text, "on": False}
    assert orjson.loads(orjson.dumps(found)) == found


@pytest.mark.parametrize(
    ("message", "place", "text"),
    [
        ("Sink not created: SinkConfiguration destination: it is not a URL", "c.destination", "It is not a URL"),
        (
            "Sink not updated: SinkConfiguration oauth2.client_id: Field required",
            "c.oauth2.client_id",
            "Field required",
        ),
        ("Sink not created: SinkConfiguration headers.X-A: no", "c.headers", "No"),
        ("Sink not created: SinkConfiguration: they go together", "", "They go together"),
        ("Sink not created: SinkConfiguration nothing: extra", "", "nothing: extra"),
        ("Sink not created: Description is empty", "description", "Description is empty"),
        ("Too many requests", "", "Too many requests"),
    ],
)
def test_a_refusal_is_put_beside_the_field_that_it_names(message: str, place: str, text: str) -> None:
    assert problems(RefusedError(message), fields_of(WebhookConfig)) == {place: text}


def test_labels_are_words() -> None:
    def label(path: str) -> str:
        return ConfigField(path=path, kind=Kind.TEXT, bounds={}).label

    assert [label(each) for each in ("role_arn", "tls", "oauth2.client_secret", "batch_linger_ms")] == [
        "Role ARN",
        "TLS",
        "Client secret",
        "Batch linger MS",
    ]
