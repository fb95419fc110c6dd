"""Bad input on the whole running system: a clear error or a dead letter, and the next event goes through."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException

from eventstreams.events import Event
from eventstreams.kafka.producer import Acked, AckedProducer
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings
from eventstreams.testing.receiver import Receiver
from eventstreams.topics import Topics
from tests.support.events import SENT, encoded, message_event
from tests.support.topic import read_topic_until
from tests.support.up import Up, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

WAIT_S = 90.0  # a machine that is busy with other things takes its time


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("up") / "data") as up:
        yield up


@dataclass
class Customer:
    """A customer with a receiver, a sink and a subscription to ``SENT``, and the products' side of Kafka."""

    up: Up
    receiver: Receiver
    sink: Any
    producer: AckedProducer
    settings: Settings
    number: int = field(default_factory=lambda: secrets.randbits(100))

    @property
    def topics(self) -> Topics:
        return Topics(self.settings)

    def event(self) -> Event:
        """One of a message that no other test has."""
        self.number += 1
        return message_event(self.up.about["account_sid"], self.number)

    async def put(self, value: bytes, headers: dict[str, bytes]) -> None:
        """A record on the events topic as no publisher of ours would write it."""
        answer = await self.producer.send(self.topics.events, value, key=b"bad", headers=list(headers.items()))
        assert isinstance(answer, Acked), answer

    async def next_event_arrives(self) -> None:
        """It comes behind what was put there before: same key, same partition."""
        event = self.event()
        value, headers = encoded(event)
        await self.put(value, dict(headers))
        await self.receiver.wait_for(lambda: event.id in self.receiver.accepted, timeout_s=WAIT_S)

    async def dead_letter(self, topic: str, event: Event) -> dict[str, str]:
        """The headers of the dead letter that ``event`` has become."""

        def of_event(record: Record) -> bool:
            return dict(record.headers).get("ce_source") == event.source.encode()

        found = await read_topic_until(
            self.settings, topic, lambda records: any(map(of_event, records)), timeout_s=WAIT_S
        )
        record = next(record for record in found if of_event(record))
        return {name: text.decode() for name, text in record.headers}


@pytest.fixture
async def customer(up: Up) -> AsyncIterator[Customer]:
    settings = Settings.load(kafka=up.about["kafka"])
    async with Receiver() as receiver, AckedProducer(settings, linger_ms=0) as producer:
        client = up.client().events.v1
        sink = await asyncio.to_thread(
            client.sinks.create,
            description="d",
            sink_type="webhook",
            sink_configuration={"destination": receiver.url},
        )
        subscription = await asyncio.to_thread(
            client.subscriptions.create, description="d", sink_sid=sink.sid, types=[{"type": SENT}]
        )
        yield Customer(up, receiver, sink, producer, settings)
        await asyncio.to_thread(subscription.delete)


async def test_a_value_that_is_no_avro_is_a_dead_letter(customer: Customer) -> None:
    bad = customer.event()
    _, headers = encoded(bad)

    await customer.put(b"\xff" * 30, dict(headers))

    await customer.next_event_arrives()
    dead = await customer.dead_letter(customer.topics.dead("webhook"), bad)
    assert dead["es_reason"] == "undecodable"
    assert "value is not Avro of Messaging.MessageStatus/" in dead["es_detail"]


async def test_an_unknown_event_type_is_a_dead_letter(customer: Customer) -> None:
    bad = customer.event()
    value, headers = encoded(bad)

    await customer.put(value, {**dict(headers), "ce_type": b"com.acme.unheard.of"})

    await customer.next_event_arrives()
    dead = await customer.dead_letter(customer.topics.router_dead, bad)
    assert dead["es_reason"] == "unknown_event_type"
    assert "'com.acme.unheard.of'" in dead["es_detail"]


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_time", "ce_dataschema", "ce_accountsid"])
async def test_a_record_without_one_of_its_headers_is_a_dead_letter(customer: Customer, name: str) -> None:
    bad = customer.event()
    value, headers = encoded(bad)

    await customer.put(value, {each: text for each, text in headers if each != name})

    await customer.next_event_arrives()
    dead = await customer.dead_letter(customer.topics.router_dead, bad)
    assert dead["es_reason"] == "missing_header"
    assert dead["es_detail"] == f"header {name} is missing or empty"


async def test_an_answer_of_ten_megabytes_to_a_refused_event_is_a_dead_letter_of_a_kilobyte(
    customer: Customer,
) -> None:
    bad = customer.event()
    customer.receiver.answer = lambda received: (
        web.Response(status=400, body=b"no! " * 2_621_440) if received.ids == [bad.id] else 200
    )
    value, headers = encoded(bad)

    await customer.put(value, dict(headers))

    await customer.next_event_arrives()
    dead = await customer.dead_letter(customer.topics.dead("webhook"), bad)
    assert dead["es_reason"] == "refused"
    assert dead["es_detail"].startswith("HTTP 400")
    assert all(len(text) <= 1024 for text in dead.values())


@pytest.mark.parametrize(
    ("types", "code"),
    [pytest.param([], 91103, id="no types"), pytest.param([{"type": "com.acme.no"}], 91104, id="no such type")],
)
async def test_a_subscription_to_nothing_is_refused(customer: Customer, types: list[object], code: int) -> None:
    with pytest.raises(TwilioRestException) as caught:
        await asyncio.to_thread(
            customer.up.client().events.v1.subscriptions.create,
            description="d",
            sink_sid=customer.sink.sid,
            types=types,
        )

    assert (caught.value.status, caught.value.code) == (400, code)
    await customer.next_event_arrives()


async def test_a_subscription_to_a_sink_that_is_nowhere_keeps_its_events_to_itself(customer: Customer) -> None:
    client = customer.up.client().events.v1
    nowhere = await asyncio.to_thread(
        client.sinks.create,
        description="nobody listens there",
        sink_type="webhook",
        sink_configuration={"destination": "http://127.0.0.1:9/"},
    )

    subscription = await asyncio.to_thread(
        client.subscriptions.create, description="d", sink_sid=nowhere.sid, types=[{"type": SENT}]
    )

    await customer.next_event_arrives()
    await asyncio.to_thread(subscription.delete)
