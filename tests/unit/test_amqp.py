"""The AMQP plugin's pure parts: configuration, and what a broker's answers mean."""

import pytest
from aiormq.exceptions import AMQPConnectionError
from pydantic import ValidationError
from yarl import URL

from eventstreams.local.ports import free_ports
from eventstreams.sinks import HIDDEN, DeadReason, DeliveryOutcome, Rejected, RetryLater, RetryReason
from eventstreams.testing.certificates import CertificateAuthority
from sink_workers.gates.pace import Signal, signal_of
from sink_workers.plugins.amqp import PLUGIN
from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.amqp.judge import Refusal, judge
from sink_workers.plugins.amqp.request import different_ids
from sink_workers.plugins.amqp.sink import SelfClosingConnection
from tests.support.webhooks import event

GIVEN = {"host": "rabbit.example.com", "username": "us", "password": "the-secret", "exchange": "events"}
PEM = CertificateAuthority.new().pem


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "amqps://rabbit.example.com"}, "host"),
        ({"host": "rabbit.example.com\n"}, "host"),
        ({"port": 0}, "port"),
        ({"username": None}, "username"),
        ({"exchange": ""}, "give an exchange, or the name of a queue as routing_key"),
        ({"exchange": "x" * 256}, "exchange"),
        ({"exchange": "\N{SNOWMAN}" * 86}, "it must have at most 255 bytes of UTF-8"),
        ({"ca_certificate": "PEM"}, "it must be one or more certificates in PEM"),
        ({"tls": False, "ca_certificate": PEM}, "ca_certificate requires TLS"),
        ({"url": "amqp://10.0.0.1"}, "Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_a_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        AmqpConfig.model_validate({**GIVEN, **given})

    assert words in str(raised.value)
    assert "the-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "port"), [({}, 5671), ({"tls": False}, 5672), ({"port": 1}, 1), ({"tls": False, "port": 2}, 2)]
)
def test_the_port_is_the_protocol_s_unless_it_is_given(given: dict[str, object], port: int) -> None:
    assert AmqpConfig.model_validate({**GIVEN, **given}).where == ("rabbit.example.com", port)


def test_the_api_shows_what_was_given_without_the_password() -> None:
    given = {**GIVEN, "port": 5671, "mandatory": False}

    assert PLUGIN.public(AmqpConfig.model_validate(given)) == {**given, "password": HIDDEN}


def later(reason: RetryReason, detail: str, status: int | None = None) -> RetryLater:
    return RetryLater(reason, f"the broker says {detail}", status=status)


@pytest.mark.parametrize(
    ("refusal", "together", "alone"),
    [
        (Refusal.NACK, later(RetryReason.WRITE_FAILED, "basic.nack"), None),
        (
            Refusal.CLOSED,
            later(RetryReason.WRITE_FAILED, "that the channel or the connection is closed"),
            None,
        ),
        (
            Refusal.NO_ROUTE,
            later(RetryReason.STREAM_ERROR, "NO_ROUTE (312): no queue is bound for its routing key"),
            None,
        ),
        (Refusal.NOT_FOUND, later(RetryReason.STREAM_ERROR, "NOT_FOUND (404): does the exchange exist?"), None),
        (Refusal.ACCESS_REFUSED, later(RetryReason.ROLE_REFUSED, "ACCESS_REFUSED (403)"), None),
        (Refusal.NOT_ALLOWED, later(RetryReason.ROLE_REFUSED, "NOT_ALLOWED (530)"), None),
        (
            Refusal.CONTENT_TOO_LARGE,
            later(RetryReason.BAD_ANSWER, "CONTENT_TOO_LARGE (311) for 2 events: each is retried separately", 311),
            Rejected(DeadReason.TOO_LARGE, "the broker says CONTENT_TOO_LARGE (311)"),
        ),
        (
            Refusal.PRECONDITION_FAILED,
            later(RetryReason.BAD_ANSWER, "PRECONDITION_FAILED (406) for 2 events: each is retried separately", 406),
            Rejected(DeadReason.TOO_LARGE, "the broker says PRECONDITION_FAILED (406)"),
        ),
    ],
)
def test_only_what_is_about_one_message_ends_it_and_only_when_it_is_alone(
    refusal: Refusal, together: DeliveryOutcome, alone: DeliveryOutcome | None
) -> None:
    assert judge(refusal, events=2) == together
    assert judge(refusal, events=1) == (together if alone is None else alone)


@pytest.mark.parametrize("refusal", [Refusal.CONTENT_TOO_LARGE, Refusal.PRECONDITION_FAILED])
def test_a_sink_that_refuses_a_delivery_for_one_message_in_it_counts_as_one_that_works(refusal: Refusal) -> None:
    """Taken for one that fails, it would get the same delivery again, whole, until the deadline of its events."""
    assert signal_of([judge(refusal, events=2)] * 2) is Signal.TOOK


def test_messages_with_one_id_are_never_on_their_way_together() -> None:
    """RabbitMQ sends one back and then acknowledges it; the client knows what came back by its id alone."""
    assert different_ids([event(1), event(2), event(1), event(3), event(1), event(2)]) == [[0, 1, 3], [2, 5], [4]]
    assert different_ids([event(1), event(2)]) == [[0, 1]]


async def test_a_connection_that_does_not_come_about_is_not_left_to_the_garbage_collector() -> None:
    connection = SelfClosingConnection(URL(f"amqp://u:p@127.0.0.1:{free_ports(1)[0]}/"))

    with pytest.raises(AMQPConnectionError):
        await connection.connect()

    assert connection.is_closed
