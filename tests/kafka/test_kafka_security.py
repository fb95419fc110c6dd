"""A Kafka that asks who we are and allows what docs/kafka.md says: events go the whole way; refusals are said."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from eventstreams.control.records import Subscription
from eventstreams.errors import BrokerUnreachableError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.process import Process
from eventstreams.process.run import RoleMain
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.telemetry.logging import get_logger
from eventstreams.testing.certificates import CertificateAuthority
from eventstreams.testing.receiver import Receiver
from eventstreams.topics import TopicSpec
from router.role import route
from sink_workers.role import worker_for
from tests.conftest import installation_settings
from tests.kafka.test_consumer import Owner
from tests.kafka.test_router import NOWHERE
from tests.support.installation import Installation
from tests.support.page import blocks_of
from tests.support.secure_broker import (
    CLIENT_SECRET,
    PASSWORD,
    USER,
    SecureBroker,
    TokenGiver,
    giving_tokens,
    running_secure_broker,
)
from tests.support.snippet_kinds import ROOT
from tests.support.topic import eventually, read_topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

Name = Callable[[Installation, Subscription], tuple[str, str]]
"""What is forbidden: its kind, and its name."""
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
    page = (ROOT / "docs" / "kafka.md").read_text().replace("\\\n", "")
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
        async with Installation(settings) as installation, Receiver() as receiver:
            await installation.subscribe(await installation.add_sink(receiver.url))
            await installation.start(route)
            await installation.start(worker_for(load_plugin("webhook")))
            event = installation.event(1)

            await installation.publish([event])

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
    words = await _said(how, "3s")  # all of which passes; on a busy machine a handshake alone may take so long
    return await _said(how, "30s") if words.startswith("no Kafka broker answered") else words


async def _said(how: Mapping[str, object], wait: str) -> str:
    with pytest.raises(BrokerUnreachableError) as caught:
        await KafkaAdmin(Settings.load(**how, kafka_wait=wait)).wait_for_broker()
    return str(caught.value)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_said(broker: SecureBroker, mechanism: str) -> None:
    words = await said(password(broker, mechanism, "a wrong one"))

    [shown] = [each.text for each in blocks_of(ROOT / "docs/kafka.md") if each.text.startswith("eventstreams: ")]
    start, end = shown.removeprefix("eventstreams: ").replace("kafka:9093", broker.sasl).split("…")
    assert words.startswith(start)
    assert words.endswith(end)
    assert "a wrong one" not in words


async def test_a_wrong_client_secret_is_said(broker: SecureBroker, token_url: str) -> None:
    words = await said(token(broker, token_url, "a wrong one"))

    assert words.startswith(f"Kafka at {broker.sasl} refuses our credentials (")
    assert words.endswith("EVENTSTREAMS_KAFKA_OAUTH_CLIENT_ID and EVENTSTREAMS_KAFKA_OAUTH_CLIENT_SECRET")


async def test_an_authority_that_did_not_sign_kafkas_certificate_is_said(broker: SecureBroker, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(CertificateAuthority.new().pem)

    words = await said({**password(broker, "PLAIN"), "kafka_tls_authorities": other})

    assert words.startswith(f"Kafka at {broker.sasl} presents a certificate that is not trusted (")
    assert "EVENTSTREAMS_KAFKA_TLS_AUTHORITIES" in words


async def test_a_port_without_tls_is_said(broker: SecureBroker) -> None:
    words = await said({**tls(broker), "kafka": broker.plain})

    assert words.startswith(f"Kafka at {broker.plain} fails the TLS handshake (")


def deny(broker: SecureBroker, kind: str, name: str, operation: AclOperation = AclOperation.READ) -> AclBinding:
    """Take from us what ``kind`` of that name needs; it is allowed again by ``undeny``."""
    rule = AclBinding(
        KINDS[kind],
        name,
        ResourcePatternType.LITERAL,
        f"User:{USER}",
        "*",
        operation,
        AclPermissionType.DENY,
    )
    allow(broker, [rule])
    return rule


def undeny(broker: SecureBroker, rule: AclBinding) -> None:
    wanted = AclBindingFilter(
        rule.restype,
        rule.name,
        rule.resource_pattern_type,
        rule.principal,
        rule.host,
        rule.operation,
        rule.permission_type,
    )
    admin = AdminClient({"bootstrap.servers": broker.plain})  # kept until it is answered
    for future in admin.delete_acls([wanted]).values():
        assert future.result(30)


@asynccontextmanager
async def refused(
    broker: SecureBroker, main: RoleMain, name: Name, url: str
) -> AsyncIterator[tuple[Installation, Subscription, str]]:
    """A role that may not read what ``name`` gives, and what it is said to lack; at the end it is allowed."""
    with installation_settings(broker.plain) as plain:
        settings = Settings.load(**{**plain.model_dump(exclude_defaults=True), **password(broker, "PLAIN")})
        async with Installation(settings) as installation:
            subscription = await installation.subscribe(await installation.add_sink(url))
            kind, called = name(installation, subscription)
            rule = deny(broker, kind, called)
            process = Process(settings, get_logger("test"))
            running = asyncio.ensure_future(main(process))
            words = (
                f"Kafka does not allow User:{USER} to read the {kind} {called}: it lacks an ACL, such as kafka-acls.sh "
                f"--add --allow-principal User:{USER} --operation Read --{kind} {called}"
            )
            try:
                await eventually(
                    lambda: running.done() or words in (process.health.not_ready() or ""),
                    timeout_s=240,
                    what=lambda: process.health.not_ready() or "ready",
                )
                undeny(broker, rule)
                yield installation, subscription, words
                await eventually(lambda: process.health.not_ready() is None, timeout_s=60)
            finally:
                process.stopping.set()
                await running
            assert process.crashed is None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(lambda installation, _: ("group", installation.topics.group("worker.webhook")), id="group"),
        pytest.param(lambda installation, subscription: ("topic", installation.topic_of(subscription)), id="topic"),
    ],
)
async def test_what_a_worker_may_not_read_is_said_once_and_read_once_it_may(
    broker: SecureBroker, caplog: pytest.LogCaptureFixture, name: Name
) -> None:
    caplog.set_level(logging.INFO)
    worker = worker_for(load_plugin("webhook"))
    async with (
        Receiver() as receiver,
        refused(broker, worker, name, receiver.url) as (installation, subscription, words),
    ):
        await installation.hand_to(subscription, installation.event(1))

        await receiver.wait_for(lambda: "EZ1" in receiver.accepted, timeout_s=90)

    said = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each for each in said if "kafka.refused" in each] == [f"kafka.refused: {words}"]


async def test_a_group_that_a_router_may_not_join_is_said_once_and_joined_once_it_may(
    broker: SecureBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    name = lambda installation, _: ("group", installation.topics.group("router"))  # noqa: E731 - as those above
    async with refused(broker, route, name, NOWHERE) as (installation, subscription, words):
        await installation.publish([installation.event(1)])

        await read_topic(installation.settings, installation.topic_of(subscription), 1, timeout_s=90)

    said = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each for each in said if "kafka.refused" in each] == [f"kafka.refused: {words}"]


async def test_a_topic_that_may_not_be_known_holds_no_member_up_once_it_may(broker: SecureBroker) -> None:
    with installation_settings(broker.plain) as plain:
        settings = Settings.load(**{**plain.model_dump(exclude_defaults=True), **password(broker, "PLAIN")})
        topic, group = f"{settings.topic_prefix}a", f"{settings.topic_prefix}g"
        await KafkaAdmin(plain).ensure([TopicSpec(topic, 1, {})])
        rule = deny(broker, "topic", topic, AclOperation.ALL)
        members = [GroupConsumer(settings, group=group, owner=Owner(), on_crash=_raise) for _ in range(2)]
        async with members[0], members[1]:
            for member in members:
                member.subscribe([topic])
            await eventually(lambda: all(topic in (member.refused or "") for member in members), timeout_s=120)

            undeny(broker, rule)

            await eventually(lambda: [member.refused for member in members] == [None, None], timeout_s=120)


async def test_a_group_that_nobody_asks_to_join_any_more_is_not_said_to_be_refused(broker: SecureBroker) -> None:
    with installation_settings(broker.plain) as plain:
        settings = Settings.load(**{**plain.model_dump(exclude_defaults=True), **password(broker, "PLAIN")})
        topic, group = f"{settings.topic_prefix}a", f"{settings.topic_prefix}g"
        await KafkaAdmin(plain).ensure([TopicSpec(topic, 1, {})])
        rule = deny(broker, "group", group)
        async with GroupConsumer(settings, group=group, owner=Owner(), on_crash=_raise) as member:
            member.subscribe([topic])
            await eventually(lambda: group in (member.refused or ""), timeout_s=120)

            member.subscribe([])

            await eventually(lambda: member.refused is None, timeout_s=120)
        undeny(broker, rule)


def _raise(error: BaseException) -> None:
    raise error
