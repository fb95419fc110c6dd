"""A Kafka that asks who we are and allows what docs/kafka.md says: events go the whole way; refusals are said."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from eventstreams.errors import BrokerUnreachableError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.certificates import CertificateAuthority
from eventstreams.testing.receiver import Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.support.installation import Installation
from tests.support.secure_broker import (
    CLIENT_SECRET,
    PASSWORD,
    USER,
    SecureBroker,
    TokenGiver,
    giving_tokens,
    running_secure_broker,
)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

GIVER = TokenGiver()
TEST_PREFIX = "t"  # of installation_settings
KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    with running_secure_broker(tmp_path_factory.mktemp("secure"), GIVER) as broker:
        allow(broker, documented_rules())
        yield broker


def documented_rules() -> list[AclBinding]:
    """What docs/kafka.md has operators allow, for the topics of tests."""
    page = (Path(__file__).parents[2] / "docs" / "kafka.md").read_text().replace("\\\n", "")
    rules = []
    for line in page.splitlines():
        if line.startswith("kafka-acls.sh"):
            words = dict(re.findall(r"--(topic|group|transactional-id|allow-principal) (\S+)", line))
            [kind] = words.keys() & KINDS.keys()
            assert words[kind] == "es."
            rules += [
                AclBinding(
                    KINDS[kind],
                    TEST_PREFIX,
                    ResourcePatternType.PREFIXED,
                    words["allow-principal"],
                    "*",
                    AclOperation[operation.upper()],
                    AclPermissionType.ALLOW,
                )
                for operation in re.findall(r"--operation (\w+)", line)
            ]
    assert len(rules) > len(KINDS)
    return rules


def allow(broker: SecureBroker, rules: list[AclBinding]) -> None:
    admin = AdminClient({"bootstrap.servers": broker.plain})
    for future in admin.create_acls(rules).values():
        future.result(30)


@pytest.fixture
async def token_url() -> AsyncIterator[str]:
    async with giving_tokens(GIVER) as url:
        yield url


def tls(broker: SecureBroker) -> Mapping[str, object]:
    return {"kafka": broker.sasl, "kafka_tls": True, "kafka_tls_authorities": broker.authority}


def password(broker: SecureBroker, mechanism: str, secret: str = PASSWORD) -> Mapping[str, object]:
    return {**tls(broker), "kafka_sasl": mechanism, "kafka_username": USER, "kafka_password": secret}


def token(broker: SecureBroker, url: str, secret: str = CLIENT_SECRET) -> Mapping[str, object]:
    return {
        **tls(broker),
        "kafka_sasl": "OAUTHBEARER",
        "kafka_oauth_token_url": url,
        "kafka_oauth_client_id": USER,
        "kafka_oauth_client_secret": secret,
    }


async def delivers(broker: SecureBroker, how: Mapping[str, object]) -> None:
    """Router and worker take an event to its receiver."""
    with installation_settings(broker.plain) as plain:
        settings = Settings.load(**{**plain.model_dump(exclude_defaults=True), **how})
        async with Installation(settings) as house, Receiver() as receiver:
            await house.subscribe(await house.add_sink(receiver.url))
            await house.start(route)
            await house.start(worker_for(load_plugin("webhook")))
            event = house.event(1)

            await house.publish([event])

            await receiver.wait_for(lambda: event.id in receiver.accepted)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_with_a_password_events_are_routed_and_delivered(broker: SecureBroker, mechanism: str) -> None:
    await delivers(broker, password(broker, mechanism))


async def test_with_a_token_events_are_routed_and_delivered(broker: SecureBroker, token_url: str) -> None:
    await delivers(broker, token(broker, token_url))


async def test_with_a_certificate_events_are_routed_and_delivered(broker: SecureBroker) -> None:
    await delivers(
        broker,
        {
            "kafka": broker.mutual,
            "kafka_tls": True,
            "kafka_tls_authorities": broker.authority,
            "kafka_tls_certificate": broker.certificate,
            "kafka_tls_key": broker.key,
        },
    )


async def said(how: Mapping[str, object]) -> str:
    """What an operator is told whose settings are those."""
    with pytest.raises(BrokerUnreachableError) as caught:
        await KafkaAdmin(Settings.load(**how, kafka_wait="3s")).wait_for_broker()
    return str(caught.value)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_said(broker: SecureBroker, mechanism: str) -> None:
    words = await said(password(broker, mechanism, "a wrong one"))

    assert words.startswith(f"Kafka at {broker.sasl} does not let us in (")
    assert words.endswith("check EVENTSTREAMS_KAFKA_SASL, EVENTSTREAMS_KAFKA_USERNAME and EVENTSTREAMS_KAFKA_PASSWORD")
    assert "a wrong one" not in words


async def test_a_wrong_client_secret_is_said(broker: SecureBroker, token_url: str) -> None:
    words = await said(token(broker, token_url, "a wrong one"))

    assert words.startswith(f"Kafka at {broker.sasl} does not let us in (")
    assert words.endswith("EVENTSTREAMS_KAFKA_OAUTH_CLIENT_ID and EVENTSTREAMS_KAFKA_OAUTH_CLIENT_SECRET")


async def test_an_authority_that_did_not_sign_kafkas_certificate_is_said(broker: SecureBroker, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(CertificateAuthority.new().pem)

    words = await said({**password(broker, "PLAIN"), "kafka_tls_authorities": other})

    assert words.startswith(f"Kafka at {broker.sasl} shows a certificate that is not trusted (")
    assert "EVENTSTREAMS_KAFKA_TLS_AUTHORITIES" in words


async def test_a_port_without_tls_is_said(broker: SecureBroker) -> None:
    words = await said({**tls(broker), "kafka": broker.plain})

    assert words.startswith(f"Kafka at {broker.plain} does not agree on TLS (")
