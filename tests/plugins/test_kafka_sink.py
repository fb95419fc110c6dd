"""The Kafka sink towards a real broker: what it says of passwords, topics and addresses, and where it connects."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from eventstreams.sinks import Delivered, DestinationGuard, RetryLater, RetryReason, Sink
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kafka.sink import open_sink
from tests.support.gate import Gate, gate
from tests.support.kafka_cluster import USER, CustomersKafka
from tests.support.webhooks import LOOPBACK, context, event

pytestmark = pytest.mark.kafka
PASSWORD = "the-password"


@asynccontextmanager
async def opened(
    kafka: CustomersKafka, guard: DestinationGuard = LOOPBACK, *, timeout_s: float = 4.0, **changes: object
) -> AsyncIterator[tuple[Sink, Gate]]:
    """A sink to ``kafka`` through its gate. ``timeout_s``: more where nobody waits for all of it."""
    kafka.set_password(PASSWORD)
    given = {
        "bootstrap_servers": f"127.0.0.1:{kafka.gate}",
        "topic": "events",
        "ca_certificate": kafka.authority.pem,
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": USER,
        "password": PASSWORD,
        **changes,
    }
    async with gate(to=kafka.inner, port=kafka.gate) as made:
        sink = await open_sink(KafkaConfig.model_validate(given), context(guard), timeout_s=timeout_s)
        try:
            yield sink, made
        finally:
            await sink.aclose()


async def test_events_with_one_key_are_in_one_partition_and_in_order(customers_kafka: CustomersKafka) -> None:
    topic = customers_kafka.create_topic(partitions=3)

    async with opened(customers_kafka, timeout_s=60.0, topic=topic, key="account_sid", format="structured") as (
        sink,
        _,
    ):
        outcomes = await sink.deliver([event(number) for number in range(300)])

    assert outcomes == [Delivered()] * 300
    records = customers_kafka.records(topic)
    assert len({record.partition() for record in records}) == 1
    assert [record.value() for record in records] == [event(number).json() for number in range(300)]


async def test_a_password_that_is_wrong_is_said_with_the_reference_s_code(customers_kafka: CustomersKafka) -> None:
    async with opened(customers_kafka, password="of-somebody-else") as (sink, _):
        [outcome] = await sink.deliver([event(1)])

    assert outcome == RetryLater(RetryReason.ROLE_REFUSED, "Kafka says SaslAuthenticationFailed (58)")


async def test_a_topic_that_is_not_there_is_waited_for(customers_kafka: CustomersKafka) -> None:
    async with opened(customers_kafka, topic="no-such-topic") as (sink, _):
        [outcome] = await sink.deliver([event(1)])
        probed = await sink.probe()

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.STREAM_ERROR
    assert probed == outcome


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(customers_kafka: CustomersKafka) -> None:
    async with opened(customers_kafka, ca_certificate=None) as (sink, _):
        [outcome] = await sink.deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED
    assert "its certificate is not trusted" in outcome.detail


async def test_servers_that_do_not_answer_keep_nobody_from_the_one_that_does(customers_kafka: CustomersKafka) -> None:
    topic = customers_kafka.create_topic()
    async with gate(to=customers_kafka.inner) as one, gate(to=customers_kafka.inner) as other:
        one.is_held = other.is_held = True
        servers = ",".join(f"127.0.0.1:{port}" for port in (one.port, other.port, customers_kafka.gate))

        async with opened(customers_kafka, topic=topic, bootstrap_servers=servers, timeout_s=8.0) as (sink, _):
            outcomes = [*await sink.deliver([event(1)]), await sink.probe()]

    assert outcomes == [Delivered()] * 2


async def test_no_server_at_an_address_that_is_not_public_is_connected_to(customers_kafka: CustomersKafka) -> None:
    async with opened(customers_kafka, DestinationGuard()) as (sink, reached):
        [outcome] = await sink.deliver([event(1)])
        probed = await sink.probe()

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert "127.0.0.1 is not public" in outcome.detail
    assert probed == outcome
    assert reached.dialled == 0


async def test_a_broker_that_the_cluster_names_is_connected_to_only_where_the_guard_lets_it(
    customers_kafka: CustomersKafka,
) -> None:
    """What a customer's cluster says of its brokers is the customer's word: here that one is at 127.0.0.1."""
    topic = customers_kafka.create_topic()
    plain = int(customers_kafka.bootstrap.rpartition(":")[2])
    outside = DestinationGuard((ip_network("127.0.0.2/32"),))
    async with gate(to=plain, host="127.0.0.2") as front:
        given = {"bootstrap_servers": f"127.0.0.2:{front.port}", "topic": topic, "tls": False}
        sink = await open_sink(KafkaConfig.model_validate(given), context(outside), timeout_s=4.0)
        try:
            [outcome] = await sink.deliver([event(1)])
        finally:
            await sink.aclose()

    assert front.dialled >= 1  # the cluster was asked, and named its broker
    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert "127.0.0.1 is not public" in outcome.detail
    assert customers_kafka.records(topic) == []


async def test_brokers_that_cannot_be_reached_where_the_cluster_says_are_no_missing_topic(
    customers_kafka: CustomersKafka,
) -> None:
    customers_kafka.set_password(PASSWORD)
    topic = customers_kafka.create_topic()
    async with gate(to=customers_kafka.inner) as front:  # nobody listens at the port that the broker names
        given = {
            "bootstrap_servers": f"127.0.0.1:{front.port}",
            "topic": topic,
            "ca_certificate": customers_kafka.authority.pem,
            "sasl_mechanism": "SCRAM-SHA-512",
            "username": USER,
            "password": PASSWORD,
        }
        sink = await open_sink(KafkaConfig.model_validate(given), context(), timeout_s=4.0)
        try:
            [outcome] = await sink.deliver([event(1)])
        finally:
            await sink.aclose()

    words = "none of the brokers that the cluster advertises can be reached"
    assert outcome == RetryLater(RetryReason.CONNECT_FAILED, words)
