"""A whole worker towards a topic of another cluster, here of the same broker: nothing but the plugin is needed."""

import pytest

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.certificates import CertificateAuthority
from sink_workers.role import worker_for
from tests.support.installation import Installation
from tests.support.kafka_cluster import CustomersKafka, headers_of
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka


async def test_events_arrive_on_the_customer_s_topic_as_cloudevents(settings: Settings) -> None:
    customers = CustomersKafka(settings.kafka, 0, 0, CertificateAuthority.new())
    topic = customers.create_topic()
    config = {"bootstrap_servers": settings.kafka, "topic": topic, "tls": False}
    async with Installation(settings) as installation:
        subscription = await installation.subscribe(await installation.add_sink(None, config=config, sink_type="kafka"))
        for number in range(20):
            await installation.hand_to(subscription, installation.event(number))

        await installation.start(worker_for(load_plugin("kafka")))
        await eventually(
            lambda: len(customers.records(topic)) >= 20,
            every_s=0.3,
            what=lambda: f"{len(customers.records(topic))} records",
        )

    headers = [headers_of(record) for record in customers.records(topic)]
    assert sorted(each["ce_id"] for each in headers) == sorted(installation.event(number).id for number in range(20))
    assert {each["content-type"] for each in headers} == {"application/json"}
