"""Failure notices on a real broker: who subscribes to error logs is told of a sink's errors, seldom and in no loop."""

from collections.abc import AsyncIterator, Mapping, Sequence

import orjson
import pytest
from aiohttp import web
from yarl import URL

from eventstreams.control.records import SinkRecord
from eventstreams.headers import DATASCHEMA, TYPE
from eventstreams.kafka.records import Record
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, is_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from eventstreams.times import now_ms
from router.role import route
from sink_workers.role import worker_for
from tests.support.installation import SENT, Installation, header
from tests.support.live_page import same_shape
from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.topic import eventually, read_topic_until

pytestmark = pytest.mark.kafka

ERROR_LOGGED = "com.twilio.error-logs.error.logged"
NOWHERE = "http://127.0.0.1:9/"
SECRET = "not-for-notices"


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    one_partition = settings.model_copy(update={"events_partitions": 1})  # then all notices are in one order
    async with Installation(one_partition) as installation:
        yield installation


@pytest.fixture
async def refusing() -> AsyncIterator[Receiver]:
    """A destination that refuses every event for good, and says something that is nobody else's business."""
    async with Receiver(lambda _: web.Response(status=400, text=SECRET)) as receiver:
        yield receiver


async def test_the_first_error_of_a_sink_and_the_tenth_are_told_to_who_subscribes(
    installation: Installation, refusing: Receiver
) -> None:
    async with Receiver() as listening:
        await installation.subscribe(await installation.add_sink(listening.url), ERROR_LOGGED, schema_version=2)
        sink = await installation.add_sink(refusing.url)
        subscription = await installation.subscribe(sink)
        await installation.start(route)
        await start(installation)

        await installation.hand_to(subscription, installation.event(1))
        await listening.wait_for(lambda: len(listening.accepted) == 1)
        for number in range(2, 16):
            await installation.hand_to(subscription, installation.event(number))
        await listening.wait_for(lambda: len(listening.accepted) == 2)
        told = await notices(installation)

    first, tenth = [request.events[0] for request in listening.received][:2]
    data = first["data"]
    assert isinstance(data, dict)
    assert first["type"] == ERROR_LOGGED
    assert str(first["dataschema"]).endswith("/ErrorLogs.Error/2")
    assert first["id"] == data["sid"]
    assert is_sid(str(first["id"]), SidKind.ERROR_LOG)
    assert first["source"] == f"/v1/Alerts/{first['id']}"
    assert first["time"] == data["date_created"]
    assert {name: data[name] for name in data if name not in {"sid", "date_created", "payload"}} == {
        "account_sid": installation.account_sid,
        "master_account_sid": installation.account_sid,
        "level": "ERROR",
        "product_name": "Event Streams",
        "error_code": "91305",
    }
    payload = orjson.loads(data["payload"])
    [shown] = [each for each in blocks_of(ROOT / "docs" / "failure-notices.md") if "sink_sid" in each.text]
    same_shape(shown, payload)
    since = payload.pop("since")
    assert since == data["date_created"]
    assert payload == {
        "sink_sid": sink.sid,
        "subscription_sid": subscription.sid,
        "sink_type": "webhook",
        "reason": "refused",
        "code": 91305,
        "status": 400,
        "errors": 1,
        "message": f"Sink {sink.sid} refused an event (status 400); the event is kept as a dead letter. "
        "The first error.",
    }
    later = orjson.loads(str(tenth["data"]["payload"])) if isinstance(tenth["data"], dict) else {}
    assert (later["errors"], later["since"]) == (10, since)
    assert f"10 errors since {since}." in later["message"]
    assert [payload["errors"] for payload in told[sink.sid]] == [1, 10]


@pytest.mark.parametrize("version", [1, 2])
async def test_a_notice_decodes_at_every_version_and_carries_nothing_of_event_answer_or_configuration(
    installation: Installation, refusing: Receiver, version: int
) -> None:
    sink = await installation.add_sink(refusing.url.replace("http://", f"http://user:{SECRET}@"))
    subscription = await installation.subscribe(sink)
    await installation.subscribe(sink, ERROR_LOGGED)
    await start(installation)

    await installation.hand_to(subscription, installation.event(1))

    [record] = await read_topic_until(installation.settings, installation.topics.events, bool)
    data = installation.codec.decode(header(record, DATASCHEMA), record.value, version=version)
    assert isinstance(data, dict)
    assert data["sid"] == header(record, "ce_id")
    assert data["account_sid"] == installation.account_sid == header(record, "ce_accountsid")
    assert record.key == sink.sid.encode()
    everything = record.value + b"".join(text for _, text in record.headers)
    assert SECRET.encode() not in everything
    of_the_event = {str(text) for text in installation.event(1).data.values()} - {installation.account_sid}
    assert not [text for text in of_the_event if text.encode() in everything]


async def test_a_sink_that_cannot_be_reached_is_an_error_and_one_that_asks_for_fewer_events_a_warning(
    installation: Installation,
) -> None:
    async with Receiver(lambda _: 429) as busy:
        await installation.subscribe(await installation.add_sink(NOWHERE), ERROR_LOGGED)
        unreachable, throttling = await installation.add_sink(NOWHERE), await installation.add_sink(busy.url)
        subscriptions = [await installation.subscribe(sink) for sink in (unreachable, throttling)]
        await start(installation)

        for subscription in subscriptions:
            await installation.hand_to(subscription, installation.event(1))

        records = await read_topic_until(
            installation.settings, installation.topics.events, lambda found: len(found) >= 2
        )
    levels = {payload_of(installation, record)["reason"]: data_of(installation, record)["level"] for record in records}
    assert levels == {"connect_failed": "ERROR", "throttled": "WARNING"}
    codes = {data_of(installation, record)["error_code"] for record in records}
    assert codes == {"91307", "91302"}


async def test_an_event_whose_deadline_is_over_is_an_error_too(installation: Installation) -> None:
    sink = await installation.add_sink(NOWHERE)
    subscription = await installation.subscribe(sink)
    await installation.subscribe(sink, ERROR_LOGGED)
    await start(installation)

    await installation.hand_to(subscription, installation.event(1), deadline_ms=now_ms() - 1)

    [record] = await read_topic_until(installation.settings, installation.topics.events, bool)
    payload = payload_of(installation, record)
    assert (payload["reason"], payload["code"], data_of(installation, record)["level"]) == ("expired", 91300, "ERROR")
    assert "status" not in payload


async def test_accounts_are_told_of_their_own_sinks_only(installation: Installation, refusing: Receiver) -> None:
    async with Receiver() as listening:
        sinks: list[SinkRecord] = []
        for _ in range(2):
            await installation.new_account()
            await installation.subscribe(
                await installation.add_sink(f"{listening.url}/{installation.account_sid}"), ERROR_LOGGED
            )
            sinks.append(await installation.add_sink(refusing.url))
            await installation.hand_to(await installation.subscribe(sinks[-1]), installation.event(1))
        await installation.start(route)
        await start(installation)

        await listening.wait_for(lambda: len(listening.accepted) == 2)

    told = {URL(request.url).name: request.events[0]["data"] for request in listening.received}
    for sink in sinks:
        data = told[sink.account_sid]
        assert isinstance(data, dict)
        assert data["account_sid"] == sink.account_sid
        assert orjson.loads(data["payload"])["sink_sid"] == sink.sid


async def test_an_account_in_which_nobody_subscribes_gets_no_notices(
    installation: Installation, refusing: Receiver
) -> None:
    silent = await installation.add_sink(refusing.url)
    subscription = await installation.subscribe(silent)
    worker = await start(installation)
    for number in range(10):
        await installation.hand_to(subscription, installation.event(number))
    await installation.dead(10)

    await installation.new_account()
    await installation.subscribe(await installation.add_sink(NOWHERE), ERROR_LOGGED)

    assert await notices(installation) == {}
    await eventually(lambda: published(worker) == 1)


async def test_who_subscribes_while_a_sink_fails_is_told_at_its_next_error(
    installation: Installation, refusing: Receiver
) -> None:
    sink = await installation.add_sink(refusing.url)
    subscription = await installation.subscribe(sink)
    worker = await start(installation)
    await installation.hand_to(subscription, installation.event(1))
    await installation.dead(1)

    await installation.subscribe(sink, ERROR_LOGGED)
    for number in range(2, 100):  # the worker learns of the subscription in its own time
        await installation.hand_to(subscription, installation.event(number))
        await installation.dead(number)
        if published(worker):
            break

    [record] = await read_topic_until(installation.settings, installation.topics.events, bool)
    assert payload_of(installation, record)["errors"] == 1


async def test_a_broken_sink_that_subscribes_to_error_logs_too_gets_no_notices_of_its_notices(
    installation: Installation,
) -> None:
    async with Receiver(lambda _: 400) as broken:
        sink = await installation.add_sink(broken.url)
        await installation.subscribe(sink, SENT)
        await installation.subscribe(sink, ERROR_LOGGED)
        await installation.start(route)
        await start(installation)

        # Without the guard the errors of the first two notices are the 99th and the 100th, and make a third.
        await installation.publish([installation.event(number) for number in range(98)])

        await broken.wait_for(lambda: errors_of(broken, ERROR_LOGGED) >= 2 and errors_of(broken, SENT) >= 98)
        told = await notices(installation)

    assert len(told[sink.sid]) == 2


async def test_a_sink_that_is_down_and_subscribes_to_error_logs_too_is_told_of_it_when_it_is_back(
    installation: Installation,
) -> None:
    async with Receiver(lambda _: 503) as broken:
        sink = await installation.add_sink(broken.url)
        await installation.subscribe(sink, SENT)
        await installation.subscribe(sink, ERROR_LOGGED)
        await installation.start(route)
        await start(installation)
        await installation.publish([installation.event(number) for number in range(20)])
        await broken.wait_for(lambda: errors_of(broken, SENT) >= 10)

        broken.answer = lambda _: 200
        await broken.wait_for(lambda: len(broken.accepted) >= 22)  # the events, and the notices of errors 1 and 10
        told = await notices(installation)

    assert len(told[sink.sid]) == 2


# -- helpers ---------------------------------------------------------------------------------------------------


async def start(installation: Installation) -> Process:
    return await installation.start(worker_for(load_plugin("webhook")))


async def notices(installation: Installation) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """The payloads of all notices so far, by sink.

    The outbox keeps its order, so one more sink fails, and when the notice of that is there, so are all before.
    """
    last = await installation.add_sink("http://127.0.0.1:9/last")
    await installation.hand_to(await installation.subscribe(last), installation.event(999))
    found: dict[str, list[Mapping[str, object]]] = {}

    def enough(records: Sequence[Record]) -> bool:
        found.clear()
        for record in records:
            if header(record, TYPE) == ERROR_LOGGED:
                payload = payload_of(installation, record)
                found.setdefault(str(payload["sink_sid"]), []).append(payload)
        return last.sid in found

    await read_topic_until(installation.settings, installation.topics.events, enough)
    del found[last.sid]
    return found


def data_of(installation: Installation, record: Record) -> Mapping[str, object]:
    data = installation.codec.decode(header(record, DATASCHEMA), record.value)
    assert isinstance(data, dict)
    return data


def payload_of(installation: Installation, record: Record) -> Mapping[str, object]:
    payload = orjson.loads(str(data_of(installation, record)["payload"]))
    assert isinstance(payload, dict)
    return payload


def published(worker: Process) -> float:
    labels = {"outcome": "published"}
    return worker.metrics.registry.get_sample_value("eventstreams_failure_notices_total", labels) or 0.0


def errors_of(receiver: Receiver, event_type: str) -> int:
    return sum(request.events[0]["type"] == event_type for request in receiver.received)
