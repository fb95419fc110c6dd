"""The worker on a real broker, with real receivers: each event is delivered, waits, or is a dead letter."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest
from aiohttp import web
from pydantic import BaseModel
from twilio.request_validator import RequestValidator

from eventstreams.attempts import decode
from eventstreams.control.records import SubscriptionState
from eventstreams.headers import SUBSCRIPTION, again_headers
from eventstreams.kafka.records import Record
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.sinks import Capabilities, Delivered, DeliveryOutcome, OutboundEvent, SinkContext, SinkPlugin
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from sink_workers.role import worker_for
from tests.support.installation import TOKEN, Installation, header
from tests.support.topic import eventually, read_topic_until

pytestmark = pytest.mark.kafka


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


async def start(installation: Installation) -> Process:
    return await installation.start(worker_for(load_plugin("webhook")))


def first_then(*statuses: int) -> Callable[[Received], int]:
    """Answers each event's attempts with ``statuses``, one after the other, and then with 200."""
    seen: dict[str, int] = {}

    def answer(received: Received) -> int:
        attempt = seen.get(received.ids[0], 0)
        seen[received.ids[0]] = attempt + 1
        return statuses[attempt] if attempt < len(statuses) else 200

    return answer


async def attempts_began(installation: Installation, count: int) -> Sequence[int]:
    """When each of the first ``count`` attempts began, in ms."""

    def began(records: Sequence[Record]) -> Sequence[int]:
        entries = (entry for record in records for entry in decode(record.value or b""))
        return [entry.at_ms for entry in entries if entry is not None and entry.duration_ms is not None]

    topic = installation.topics.attempts
    found = await read_topic_until(installation.settings, topic, lambda records: len(began(records)) >= count)
    return began(found)[:count]


async def test_an_event_arrives_as_a_signed_array_of_cloudevents(installation: Installation) -> None:
    async with Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)

        await installation.hand_to(subscription, installation.event(7))

        await receiver.wait_for(lambda: bool(receiver.received))
    [request] = receiver.received
    assert request.headers["Content-Type"].startswith("application/json")
    [event] = request.events
    assert (event["id"], event["specversion"], event["datacontenttype"]) == ("EZ7", "1.0", "application/json")
    assert str(event["dataschema"]).endswith("/Messaging.MessageStatus/1")
    assert event["data"] == installation.event(7).data
    signature = request.headers["X-Twilio-Signature"]
    assert RequestValidator(TOKEN).validate(request.url, request.body.decode(), signature)


async def test_a_failing_event_is_tried_again_with_the_same_body(installation: Installation) -> None:
    async with Receiver(first_then(500, 503)) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)

        await installation.hand_to(subscription, installation.event(1))

        await receiver.wait_for(lambda: bool(receiver.accepted))
    assert len(receiver.received) == 3
    assert len({request.body for request in receiver.received}) == 1
    assert retried(worker, "server_error") == 2


async def test_an_event_waiting_for_its_retry_does_not_hold_up_the_next(installation: Installation) -> None:
    async with Receiver(first_then(500)) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        receiver.answer = lambda received: 500 if received.ids == ["EZ1"] else 200
        await start(installation)

        for number in range(1, 30):
            await installation.hand_to(subscription, installation.event(number))

        await receiver.wait_for(lambda: len(receiver.accepted) == 28)


async def test_a_refused_event_is_a_dead_letter_with_its_reason_and_bytes(installation: Installation) -> None:
    async with Receiver(lambda received: 400 if received.ids == ["EZ1"] else 200) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)

        await installation.hand_to(subscription, installation.event(1))
        await installation.hand_to(subscription, installation.event(2))

        [dead] = await installation.dead(1)
        await receiver.wait_for(lambda: bool(receiver.accepted))
    assert header(dead, "es_reason") == "refused"
    assert header(dead, "es_code") == "91305"
    assert header(dead, "es_detail") == "HTTP 400"
    assert header(dead, "es_origin") == f"{installation.topic_of(subscription)}/0/0"
    assert header(dead, "es_attempts") == "1"
    assert dead.value == installation.encoded(installation.event(1))[0]
    assert list(receiver.accepted) == ["EZ2"]


async def test_no_attempt_begins_after_the_deadline_and_the_event_is_a_dead_letter(installation: Installation) -> None:
    async with Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)

        await installation.hand_to(
            subscription, installation.event(1), accepted_ms=now_ms() - 20_000, deadline_ms=now_ms() - 1
        )

        [dead] = await installation.dead(1)
    assert header(dead, "es_reason") == "expired"
    assert header(dead, "es_detail") == "no attempt"
    assert receiver.received == []


async def test_an_event_that_fails_until_its_deadline_expires_with_the_last_reason(installation: Installation) -> None:
    async with Receiver(lambda _: 500) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)
        deadline_ms = now_ms() + 4000

        await installation.hand_to(subscription, installation.event(1), deadline_ms=deadline_ms)

        [dead] = await installation.dead(1)
    assert header(dead, "es_reason") == "expired"
    assert "server_error: HTTP 500" in header(dead, "es_detail")
    assert len(receiver.received) == int(header(dead, "es_attempts")) > 1
    began = await attempts_began(installation, len(receiver.received))  # a request may be on its way for a while
    assert all(at_ms < deadline_ms for at_ms in began)


async def test_a_date_in_retry_after_is_obeyed(installation: Installation) -> None:
    def answer(received: Received) -> int | web.Response:
        return 200 if len(receiver.received) > 1 else web.Response(status=429, headers={"Retry-After": "3"})

    async with Receiver() as receiver:
        receiver.answer = answer
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)

        await installation.hand_to(subscription, installation.event(1))

        await receiver.wait_for(lambda: bool(receiver.accepted))
    first, second = receiver.received
    assert second.at - first.at >= 3.0


@pytest.mark.parametrize(
    ("value", "change", "reason"),
    [
        pytest.param(b"\xff" * 40, {}, "undecodable", id="not Avro"),
        pytest.param(b"", {}, "undecodable", id="empty"),
        pytest.param(None, {"es_deadline": None}, "missing_header", id="no deadline"),
        pytest.param(None, {"es_deadline": b"soon"}, "bad_header", id="deadline is no number"),
        pytest.param(None, {"ce_id": None}, "missing_header", id="no id"),
        pytest.param(None, {"ce_dataschema": b"http://s/Acme.Unheard/1"}, "unknown_schema", id="unknown schema"),
        pytest.param(None, {SUBSCRIPTION: b"DF" + b"0" * 32}, "subscription_deleted", id="unknown subscription"),
    ],
)
async def test_a_record_that_cannot_be_delivered_is_a_dead_letter_and_the_next_event_goes_through(
    installation: Installation, value: bytes | None, change: dict[str, bytes | None], reason: str
) -> None:
    async with Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)
        good, headers = installation.encoded(installation.event(1))
        routed = {**dict(headers), "es_accepted_at": b"%d" % now_ms(), "es_deadline": b"%d" % (now_ms() + 60_000)}
        changed = {**routed, SUBSCRIPTION: subscription.sid.encode(), **change}
        bad = [(name, text) for name, text in changed.items() if text is not None]

        await installation.put_raw(installation.topic_of(subscription), good if value is None else value, bad)
        await installation.hand_to(subscription, installation.event(2))

        [dead] = await installation.dead(1)
        await receiver.wait_for(lambda: bool(receiver.accepted))
    assert header(dead, "es_reason") == reason
    assert header(dead, "es_origin") == f"{installation.topic_of(subscription)}/0/0"
    assert dead.value == (good if value is None else value)
    assert list(receiver.accepted) == ["EZ2"]


async def test_a_webhook_that_answers_ten_megabytes_is_believed_by_its_status(installation: Installation) -> None:
    def answer(received: Received) -> web.Response:
        return web.Response(status=400 if received.ids == ["EZ1"] else 200, body=b"no! " * 2_621_440)

    async with Receiver(answer) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)

        await installation.hand_to(subscription, installation.event(1))
        await installation.hand_to(subscription, installation.event(2))

        [dead] = await installation.dead(1)
        await receiver.wait_for(lambda: bool(receiver.accepted))
    assert header(dead, "es_detail") == "HTTP 400"
    assert header(dead, "es_answer").startswith("no! no!")
    assert len(dict(dead.headers)["es_answer"]) <= 1024
    assert list(receiver.accepted) == ["EZ2"]


async def test_a_webhook_that_nobody_listens_on_leaves_its_events_waiting_and_others_served(
    installation: Installation,
) -> None:
    async with Receiver() as receiver:
        nowhere = await installation.subscribe(await installation.add_sink("http://127.0.0.1:9/"))
        somewhere = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)

        await installation.hand_to(nowhere, installation.event(1), deadline_ms=now_ms() + 3000)
        await installation.hand_to(somewhere, installation.event(2))

        await receiver.wait_for(lambda: bool(receiver.accepted))
        [dead] = await installation.dead(1)
    assert header(dead, "es_reason") == "expired"
    assert header(dead, "es_code") == "91307"
    assert retried(worker, "connect_failed") > 0


async def test_a_destination_inside_the_network_is_never_connected_to(installation: Installation) -> None:
    async with Receiver() as receiver:
        installation.settings = installation.settings.model_copy(update={"allowed_destinations": ()})
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)

        await installation.hand_to(subscription, installation.event(1), deadline_ms=now_ms() + 2000)

        [dead] = await installation.dead(1)
    assert header(dead, "es_reason") == "expired"
    assert "destination_forbidden" in header(dead, "es_detail")
    assert receiver.received == []


async def test_what_a_deleted_subscription_holds_becomes_dead_letters(installation: Installation) -> None:
    async with Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        for number in range(20):
            await installation.hand_to(subscription, installation.event(number))
        await installation.put(replace(subscription, state=SubscriptionState.DELETING))

        await start(installation)

        dead = await installation.dead(20)
    assert {header(each, "es_reason") for each in dead} == {"subscription_deleted"}
    assert [header(each, "ce_id") for each in dead] == [f"EZ{number}" for number in range(20)]
    assert receiver.received == []


async def test_a_subscription_made_while_the_worker_runs_is_served_within_seconds(installation: Installation) -> None:
    async with Receiver() as receiver:
        sink = await installation.add_sink(receiver.url)
        await start(installation)

        for number in range(3):
            await installation.hand_to(await installation.subscribe(sink), installation.event(number))
            began = now_ms()
            await receiver.wait_for(lambda number=number: f"EZ{number}" in receiver.accepted)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            assert now_ms() - began < 20_000


async def test_events_are_batched_where_the_sink_wants_it(installation: Installation) -> None:
    async with Receiver() as receiver:
        sink = await installation.add_sink(receiver.url, config={"batch_events": True})
        subscription = await installation.subscribe(sink)
        for number in range(100):
            await installation.hand_to(subscription, installation.event(number))

        await start(installation)

        await receiver.wait_for(lambda: len(receiver.accepted) == 100)
    assert max(len(request.events) for request in receiver.received) > 10
    assert len(receiver.received) < 20


# -- plugins that misbehave ------------------------------------------------------------------------------------


class Nothing(BaseModel):
    destination: str


class BrokenSink:
    """Misbehaves at the first attempt of each event with an odd number."""

    def __init__(self, misbehave: Callable[[], Sequence[DeliveryOutcome]]) -> None:
        self._misbehave = misbehave
        self.delivered: list[str] = []

    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        if batch[0].attempt == 1 and int(batch[0].id[2:]) % 2:
            return self._misbehave()
        self.delivered += [event.id for event in batch]
        return [Delivered()] * len(batch)

    async def probe(self) -> DeliveryOutcome:
        return Delivered()

    async def aclose(self) -> None:
        raise RuntimeError("cannot even close")


def broken_plugin(sink: BrokenSink) -> AnySinkPlugin:
    async def open_sink(config: BaseModel, context: SinkContext) -> BrokenSink:
        return sink

    return SinkPlugin(
        sink_type="broken",
        config=Nothing,
        capabilities=lambda _: Capabilities(timeout_s=1.0),
        public=lambda _: {},
        open=open_sink,
    )


def raising() -> Sequence[DeliveryOutcome]:
    raise ZeroDivisionError("of the plugin")


@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        pytest.param(raising, "plugin_raised", id="raises"),
        pytest.param(list, "plugin_miscounted", id="too few outcomes"),
        pytest.param(lambda: [Delivered()] * 2, "plugin_miscounted", id="too many outcomes"),
        pytest.param(lambda: ["yes"], "plugin_miscounted", id="no outcomes"),
    ],
)
async def test_a_broken_plugin_never_loses_or_dead_letters_events(
    installation: Installation, misbehave: Callable[[], Sequence[DeliveryOutcome]], reason: str
) -> None:
    sink = BrokenSink(misbehave)
    subscription = await installation.subscribe(await installation.add_sink("x", sink_type="broken"))
    worker = await installation.start(worker_for(broken_plugin(sink)))

    for number in range(10):
        await installation.hand_to(subscription, installation.event(number))

    await eventually(lambda: len(sink.delivered) == 10, what=lambda: str(sink.delivered))
    assert set(sink.delivered) == {f"EZ{number}" for number in range(10)}
    assert retried(worker, reason, sink_type="broken") == 5


async def test_a_sink_that_cannot_be_opened_keeps_its_events(installation: Installation) -> None:
    sink = BrokenSink(raising)
    tries = 0

    async def open_at_last(config: BaseModel, context: SinkContext) -> BrokenSink:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError("not now")
        return sink

    plugin = replace(broken_plugin(sink), open=open_at_last)
    subscription = await installation.subscribe(await installation.add_sink("x", sink_type="broken"))
    await installation.start(worker_for(plugin))

    await installation.hand_to(subscription, installation.event(2))

    await eventually(lambda: sink.delivered == ["EZ2"])


def retried(process: Process, reason: str, *, sink_type: str = "webhook") -> float:
    labels = {"sink_type": sink_type, "reason": reason}
    return process.metrics.registry.get_sample_value("eventstreams_retries_scheduled_total", labels) or 0.0


async def test_retry_topics_of_fewer_partitions_than_the_settings_name_are_grown(installation: Installation) -> None:
    before = installation.settings.model_copy(update={"retry_partitions": 1})
    specs = Topics(before).worker_specs("webhook")
    await installation.admin.ensure(specs)

    await start(installation)

    wanted = {spec.name: spec.partitions for spec in installation.topics.worker_specs("webhook")}
    async with asyncio.timeout(90):  # a broker tells of a change once it has read the controller's
        while {name: (await installation.admin.topics()).get(name) for name in wanted} != wanted:
            await asyncio.sleep(0.1)


async def test_a_delivery_is_straight_unless_it_was_tried_before_or_put_there_again(installation: Installation) -> None:
    def delivered(path: str) -> float | None:
        labels = {"sink_type": "webhook", "path": path}
        return worker.metrics.registry.get_sample_value("eventstreams_delivery_seconds_count", labels)

    async with Receiver(first_then(200, 500)) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)
        await installation.hand_to(subscription, installation.event(1))
        await eventually(lambda: delivered("straight") == 1)

        value, headers = installation.encoded(installation.event(2))
        again = again_headers(
            headers,
            accepted_at_ms=now_ms() - 90_000_000,
            deadline_ms=now_ms() + 60_000,
            subscription_sid=subscription.sid,
            subscriber_sid=None,
            job_sid="JR1",
        )
        await installation.put_raw(installation.topic_of(subscription), value, again)
        await eventually(lambda: delivered("detour") == 1)

        await installation.hand_to(subscription, installation.event(1))  # fails, for it was delivered once
        await eventually(lambda: delivered("detour") == 2)
    assert delivered("straight") == 1


async def test_what_a_paused_subscription_held_up_is_delivered_on_a_detour(installation: Installation) -> None:
    async with Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await installation.put(replace(subscription, paused=True))
        worker = await start(installation)
        told = worker.metrics.registry.get_sample_value
        await eventually(lambda: told("eventstreams_assigned_partitions", {"kind": "subscription"}) == 1)
        await installation.hand_to(subscription, installation.event(1))
        await installation.put(subscription)

        await receiver.wait_for(lambda: bool(receiver.accepted))
    labels = {"sink_type": "webhook", "path": "straight"}
    assert told("eventstreams_delivery_seconds_count", labels) == 0
