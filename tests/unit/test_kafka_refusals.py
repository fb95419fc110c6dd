"""What ACLs do not allow is said once, again after a long time, and no more once it is allowed."""

import logging
from pathlib import Path
from typing import Any

import pytest

from eventstreams.kafka.refusals import AGAIN_S, Refusals, principal
from eventstreams.settings import Settings

GROUP = (
    "Kafka does not allow User:ANONYMOUS to read the group es.router: it lacks an ACL, such as "
    "kafka-acls.sh --add --allow-principal User:ANONYMOUS --operation Read --group es.router"
)


def test_it_is_said_at_once_and_then_seldom(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    refusals = Refusals(Settings.load(), clock=lambda: now[0])
    for now[0] in (0.0, 1.0, AGAIN_S - 1, AGAIN_S, AGAIN_S + 1):
        refusals.refused("group", "es.router")
        refusals.remind()
        assert refusals.problem == GROUP

    now[0] = 2 * AGAIN_S
    refusals.remind()

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("ERROR", f"kafka.refused: {GROUP}")
    ] * 3


def test_what_is_allowed_is_no_problem_any_more_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(Settings.load())
    refusals.refused("topic", "es.b")
    refusals.refused("topic", "es.a")
    caplog.clear()
    caplog.set_level(logging.INFO)

    assert refusals.topics == {"es.a", "es.b"}
    assert "the topic es.a" in (refusals.problem or "")
    for _ in range(2):
        refusals.allowed("topic", ["es.a", "es.b", "es.c"])

    assert refusals.problem is None
    assert [each.getMessage() for each in caplog.records] == [
        "kafka.allowed: the topic es.a is no longer refused",
        "kafka.allowed: the topic es.b is no longer refused",
    ]


@pytest.mark.parametrize(
    ("given", "who"),
    [
        ({}, "User:ANONYMOUS"),
        ({"kafka_sasl": "PLAIN", "kafka_username": "es", "kafka_password": "x"}, "User:es"),
        (
            {
                "kafka_sasl": "OAUTHBEARER",
                "kafka_oauth_token_url": "https://idp.example/token",
                "kafka_oauth_client_id": "es",
                "kafka_oauth_client_secret": "x",
            },
            "the user of our OAuth token",
        ),
    ],
)
def test_the_principal_is_named_where_it_is_known(given: dict[str, Any], who: str) -> None:
    assert principal(Settings.load(**given)) == who


def test_the_principal_of_a_certificate_is_the_brokers_matter(tmp_path: Path) -> None:
    settings = Settings.load().model_copy(update={"kafka_tls_certificate": tmp_path / "a.pem"})

    assert principal(settings) == "the user of our client certificate"
