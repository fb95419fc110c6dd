"""What a redrive, or any other transaction, leaves behind its records is nothing that waits."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from eventstreams.headers import routed_headers
from eventstreams.kafka.transaction import Outgoing, TransactionalProducer, Written
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from eventstreams.times import now_ms
from eventstreams.verify.backlog import KafkaBacklog
from sink_workers.role import worker_for
from tests.support.api import Api, serving, with_new_account
from tests.support.installation import SENT, Installation
from tests.support.plain_api import PlainApi

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


async def test_what_was_delivered_waits_nowhere_although_a_marker_follows_it(
    settings: Settings, tmp_path: Path
) -> None:
    given = settings.model_copy(update={"delivery_log": SecretStr(str(tmp_path / "log.sqlite"))})
    async with Installation(given) as installation, serving(given) as url, Receiver() as receiver:
        await installation.start(worker_for(load_plugin("webhook")))
        api = await with_new_account(Api(installation, url))
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        subscription = await api.subscription(sink.sid, SENT)
        value, headers = installation.encoded(installation.event(1))
        now = now_ms()
        routed = routed_headers(
            headers,
            accepted_at_ms=now,
            deadline_ms=now + 3_600_000,
            subscription_sid=subscription.sid,
        )
        topic = installation.topics.subscription("webhook", subscription.sid)
        async with TransactionalProducer(given, f"{given.topic_prefix}test") as producer:
            assert await producer.open() == Written()
            assert await producer.write([Outgoing(topic, value, headers=routed)]) == Written()

        await receiver.wait_for(lambda: "EZ1" in receiver.accepted, timeout_s=60)
        plain = PlainApi(api.url, installation.account_sid)
        await plain.until(f"/v1/Sinks/{sink.sid}/Health", lambda found: found["waiting"] == 0)
        backlog = KafkaBacklog(given, "webhook", [subscription.sid], is_alone=True)
        async with asyncio.timeout(60):
            while await backlog.look():
                await asyncio.sleep(0.1)
