"""The Kafka plugin's pure parts: configuration, records, and what a broker's answers mean."""

from dataclasses import replace

import orjson
import pytest
from pydantic import ValidationError

from eventstreams.sinks import HIDDEN, DeadReason, DeliveryOutcome, Rejected, RetryLater, RetryReason
from eventstreams.testing.certificates import CertificateAuthority
from sink_workers.plugins.kafka import PLUGIN
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kafka.judge import is_about_one, judge
from sink_workers.plugins.kafka.request import as_record
from tests.support.webhooks import event

SERVERS = {"bootstrap_servers": "kafka.example.com:9093", "topic": "events"}
LOGIN = {"username": "us", "password": "the-secret"}
PAIR = CertificateAuthority.new().issue("us")
OTHER = CertificateAuthority.new().issue("us")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"topic": "events"}, "bootstrap_servers"),
        ({**SERVERS, "bootstrap_servers": "kafka.example.com"}, "it must be host:port"),
        ({**SERVERS, "bootstrap_servers": "kafka:9093,"}, "it must be host:port"),
        ({**SERVERS, "bootstrap_servers": "kafka:99999"}, "it must be host:port"),
        ({**SERVERS, "bootstrap_servers": "kafka:9093\n"}, None),
        ({**SERVERS, "bootstrap_servers": "http://kafka:9093"}, "it must be host:port"),
        ({**SERVERS, "bootstrap_servers": ",".join(["kafka:9093"] * 11)}, "at most 10 servers"),
        ({**SERVERS, "topic": "a topic"}, "topic"),
        ({**SERVERS, "topic": ".."}, "topic"),
        ({**SERVERS, "format": "avro"}, "format"),
        ({**SERVERS, "key": "random"}, "key"),
        ({**SERVERS, "username": "us"}, "username and password must be given together"),
        ({**SERVERS, "password": "the-secret"}, "username and password must be given together"),
        ({**SERVERS, **LOGIN, "tls": False}, "without TLS the password could be read"),
        ({**SERVERS, "tls": False, "client_certificate": PAIR.certificate}, "certificates require TLS"),
        (
            {**SERVERS, "client_certificate": PAIR.certificate},
            "client_certificate and client_key must be given together",
        ),
        (
            {**SERVERS, "client_certificate": PAIR.certificate, "client_key": OTHER.key},
            "client_key does not belong to the first certificate",
        ),
        ({**SERVERS, "ca_certificate": "PEM"}, "it must be one or more certificates in PEM"),
        ({**SERVERS, "acks": "1"}, "Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_a_sentence(
    given: dict[str, object], words: str | None
) -> None:
    if words is None:  # spaces around are no harm
        assert KafkaConfig.model_validate(given).servers == [("kafka", 9093)]
        return
    with pytest.raises(ValidationError) as raised:
        KafkaConfig.model_validate(given)

    assert words in str(raised.value)
    assert "the-secret" not in str(raised.value)
    assert OTHER.key not in str(raised.value)


def test_servers_are_names_or_addresses() -> None:
    config = KafkaConfig.model_validate({**SERVERS, "bootstrap_servers": "a.example:1, [2001:db8::1]:65535"})

    assert config.servers == [("a.example", 1), ("2001:db8::1", 65535)]


def test_the_api_shows_what_was_given_without_the_secrets() -> None:
    certificates = {"client_certificate": PAIR.certificate, "client_key": PAIR.key}
    given = {**SERVERS, "key": "subject", **certificates, **LOGIN}

    shown = PLUGIN.public(KafkaConfig.model_validate(given))

    assert shown == {**given, "client_key": HIDDEN, "password": HIDDEN}


def test_in_binary_mode_attributes_are_headers_and_the_value_is_the_data() -> None:
    sent = replace(event(1, to="+49"), subject="a thing", partition_key="/things/1")

    record = as_record(sent, form="binary", key="event_key")

    assert (record.key, orjson.loads(record.value)) == (b"/things/1", {"to": "+49"})
    assert dict(record.headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": b"EZ1",
        "ce_type": b"com.acme.thing.made",
        "ce_source": b"/things/1",
        "ce_time": b"2026-03-29T04:01:02.345Z",
        "ce_dataschema": b"https://schemas/Acme.Thing/1",
        "ce_subject": b"a thing",
    }


def test_in_structured_mode_the_value_is_the_whole_event() -> None:
    record = as_record(event(1), form="structured", key="event_id")

    assert (record.key, record.value) == (b"EZ1", event(1).json())
    assert list(record.headers) == [("content-type", b"application/cloudevents+json; charset=UTF-8")]


def test_the_key_is_what_was_chosen_or_the_id_where_the_event_has_none() -> None:
    full = replace(event(1), subject="a thing", partition_key="/things/1")

    keys = {
        key: (as_record(full, form="binary", key=key).key, as_record(event(1), form="binary", key=key).key)
        for key in ("event_key", "subject", "account_sid", "event_id")
    }

    assert keys == {
        "event_key": (b"/things/1", b"EZ1"),
        "subject": (b"a thing", b"EZ1"),
        "account_sid": (b"AC1", b"AC1"),
        "event_id": (b"EZ1", b"EZ1"),
    }


@pytest.mark.parametrize(
    ("code", "about_one", "outcome"),
    [
        (10, True, Rejected(DeadReason.TOO_LARGE, "Kafka says X (10)")),
        (18, True, Rejected(DeadReason.TOO_LARGE, "Kafka says X (18)")),
        (32, True, Rejected(DeadReason.REFUSED, "Kafka says X (32)")),
        (87, True, Rejected(DeadReason.REFUSED, "Kafka says X (87)")),
        (3, False, RetryLater(RetryReason.STREAM_ERROR, "Kafka says X (3): does the topic exist?")),
        (17, False, RetryLater(RetryReason.STREAM_ERROR, "Kafka says X (17): does the topic exist?")),
        (29, False, RetryLater(RetryReason.ROLE_REFUSED, "Kafka says X (29)")),
        (31, False, RetryLater(RetryReason.ROLE_REFUSED, "Kafka says X (31)")),
        (33, False, RetryLater(RetryReason.ROLE_REFUSED, "Kafka says X (33)")),
        (58, False, RetryLater(RetryReason.ROLE_REFUSED, "Kafka says X (58)")),
        (7, False, RetryLater(RetryReason.TIMED_OUT, "Kafka says X (7)")),
        (19, False, RetryLater(RetryReason.WRITE_FAILED, "Kafka says X (19)")),
        (-1, False, RetryLater(RetryReason.WRITE_FAILED, "Kafka says X (-1)")),
    ],
)
def test_each_error_of_a_broker_is_judged_by_its_number(code: int, about_one: bool, outcome: DeliveryOutcome) -> None:  # noqa: FBT001 - a table
    assert (is_about_one(code), judge(code, "X")) == (about_one, outcome)
