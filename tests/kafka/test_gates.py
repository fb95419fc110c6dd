"""Gates on a real broker: dead, paused and throttling sinks keep their events, in order, and bother nobody."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from aiohttp import web

from eventstreams.control.records import SinkRecord, Subscription, SubscriptionState
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.records import Partition, Record
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from eventstreams.times import now_ms
from sink_workers.role import worker_for
from tests.support.installation import Installation, header
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka

FAR_MS = 14_400_000


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        yield installation


async def start(installation: Installation) -> Process:
    return await installation.start(worker_for(load_plugin("webhook")))


async def hand_all(
    installation: Installation, subscription: Subscription, count: int, *, first: int = 0, ttl_ms: int = FAR_MS
) -> None:
    deadline_ms = now_ms() + ttl_ms
    await asyncio.gather(
        *(
            installation.hand_to(subscription, installation.event(number), deadline_ms=deadline_ms)
            for number in range(first, first + count)
        )
    )


async def committed_lag(installation: Installation, subscription: Subscription) -> int:
    at = Partition(installation.topic_of(subscription), 0)
    committed = await committed_offsets(installation.settings, installation.topics.group("worker.webhook"), [at])
    [held] = await installation.admin.ranges([at.topic])
    return held.end - committed.get(at, 0)


def in_state(worker: Process, state: str) -> float:
    labels = {"sink_type": "webhook", "state": state}
    return worker.metrics.registry.get_sample_value("eventstreams_sinks", labels) or 0.0


def order_of(receiver: Receiver, first: int = 0) -> list[int]:
    return [int(identity[2:]) for request in receiver.received[first:] for identity in request.ids]


def ids_of(records: Sequence[Record]) -> set[str]:
    return {header(record, "ce_id") for record in records}


async def test_a_dead_sink_keeps_its_events_gets_few_requests_and_all_arrive_after_it_heals(
    installation: Installation,
) -> None:
    async with Receiver(lambda _: 503) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)

        await hand_all(installation, subscription, 3_000)
        await eventually(lambda: in_state(worker, "broken") == 1.0)
        await eventually(lambda: len(receiver.received) >= 12)  # two probes later
        tried = len(receiver.received)
        assert tried <= 30
        assert await committed_lag(installation, subscription) > 2_900  # they wait in their own topic

        receiver.answer = lambda _: 200
        await receiver.wait_for(lambda: len(receiver.accepted) == 3_000)
        await eventually(lambda: in_state(worker, "open") == 1.0)
    assert set(receiver.accepted.values()) == {1}


async def test_what_waits_for_a_dead_sink_is_delivered_in_its_order(installation: Installation) -> None:
    async with Receiver(lambda _: 503) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)
        await hand_all(installation, subscription, 12)
        await eventually(lambda: in_state(worker, "broken") == 1.0)
        for number in range(12, 300):
            await installation.hand_to(subscription, installation.event(number))

        receiver.answer = lambda _: 200
        before = len(receiver.received)
        await receiver.wait_for(lambda: len(receiver.accepted) == 300)
    late = [number for number in order_of(receiver, before) if number >= 20]
    # Attempts overtake each other by no more than are under way together.
    assert all(abs(number - place) <= 64 + 20 for place, number in enumerate(late, start=20))


async def test_a_dead_sink_changes_nothing_for_another(installation: Installation) -> None:
    async with Receiver(lambda _: 503) as dead, Receiver() as well:
        broken = await installation.subscribe(await installation.add_sink(dead.url))
        fine = await installation.subscribe(await installation.add_sink(well.url))
        await start(installation)

        await hand_all(installation, broken, 2_000)
        await hand_all(installation, fine, 500, first=5_000)

        await well.wait_for(lambda: len(well.accepted) == 500)


async def test_expiry_goes_on_while_the_sink_is_broken(installation: Installation) -> None:
    async with Receiver(lambda _: 503) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)
        await hand_all(installation, subscription, 1_500, ttl_ms=8_000)

        dead = await installation.dead(1_500)
    assert len(ids_of(dead)) == 1_500
    assert {header(each, "es_reason") for each in dead} == {"expired"}
    assert all(int(header(each, "es_deadline")) <= each.timestamp_ms for each in dead)
    tried = [each for each in dead if header(each, "es_attempts") != "0"]
    assert tried
    assert all(int(header(each, "es_last_attempt_at")) <= int(header(each, "es_deadline")) for each in tried)
    assert {header(each, "es_status") for each in tried} == {"503"}


@pytest.mark.parametrize("who", ["sink", "subscription"])
async def test_the_events_of_a_paused_one_wait_and_are_delivered_in_order(installation: Installation, who: str) -> None:
    async with Receiver() as receiver:
        sink = await installation.add_sink(receiver.url)
        subscription = await installation.subscribe(sink)
        await start(installation)
        await installation.hand_to(subscription, installation.event(999))
        await receiver.wait_for(lambda: bool(receiver.accepted))
        paused: SinkRecord | Subscription = replace(sink, paused=True)
        running: SinkRecord | Subscription = sink
        if who == "subscription":
            paused, running = replace(subscription, paused=True), subscription
        await installation.put(paused)
        other = await installation.subscribe(await installation.add_sink(receiver.url))
        await installation.hand_to(other, installation.event(998))
        # The worker reads in order: that it knows of the other one is to know of the pause.
        await receiver.wait_for(lambda: "EZ998" in receiver.accepted)
        await hand_all(installation, subscription, 300)
        await installation.hand_to(other, installation.event(997))
        await receiver.wait_for(lambda: "EZ997" in receiver.accepted)
        assert len(receiver.accepted) == 3

        await installation.put(running)

        await receiver.wait_for(lambda: len(receiver.accepted) == 303)
    late = order_of(receiver, 3)
    # Attempts overtake each other by no more than are under way together.
    assert all(abs(number - place) <= 64 for place, number in enumerate(late))


async def test_what_a_paused_subscription_holds_expires_in_time_and_without_an_attempt(
    installation: Installation,
) -> None:
    async with Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await installation.put(replace(subscription, paused=True))
        await start(installation)

        await hand_all(installation, subscription, 100, ttl_ms=2_000)

        dead = await installation.dead(100)
    assert {header(each, "es_reason") for each in dead} == {"expired"}
    assert {header(each, "es_attempts") for each in dead} == {"0"}
    assert receiver.received == []


@pytest.mark.parametrize("state", ["paused", "broken"])
async def test_what_a_waiting_subscription_holds_becomes_dead_letters_when_it_is_deleted(
    installation: Installation, state: str
) -> None:
    async with Receiver(lambda _: 503) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        if state == "paused":
            subscription = replace(subscription, paused=True)
            await installation.put(subscription)
        worker = await start(installation)
        await hand_all(installation, subscription, 100)
        if state == "broken":
            await eventually(lambda: in_state(worker, "broken") == 1.0)

        await installation.put(replace(subscription, state=SubscriptionState.DELETING))

        dead = await installation.dead(100)
    assert {header(each, "es_reason") for each in dead} == {"subscription_deleted"}
    assert len(ids_of(dead)) == 100


async def test_a_retry_after_holds_every_event_of_the_sink(installation: Installation) -> None:
    async with Receiver() as receiver:
        receiver.answer = lambda _: web.Response(status=429, headers={"Retry-After": "3"})
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        await start(installation)
        await installation.hand_to(subscription, installation.event(0))
        await receiver.wait_for(lambda: bool(receiver.received))

        receiver.answer = lambda _: 200
        await hand_all(installation, subscription, 50, first=1)
        await receiver.wait_for(lambda: len(receiver.accepted) == 51)
    assert min(request.at for request in receiver.received[1:]) - receiver.received[0].at >= 3.0


async def test_a_rate_limit_is_kept(installation: Installation) -> None:
    async with Receiver() as receiver:
        sink = await installation.add_sink(receiver.url)
        await installation.put(replace(sink, rate_limit=20.0))
        subscription = await installation.subscribe(sink)
        await start(installation)
        began = time.time()  # not the first one's arrival, which may come late by itself

        await hand_all(installation, subscription, 60)

        await receiver.wait_for(lambda: len(receiver.accepted) == 60)
    last = max(request.at for request in receiver.received)
    assert last - began >= (60 - 20) / 20 - 0.1  # a second's worth at once, the rest at 20 a second


async def test_retries_of_a_paused_sink_wait_too(installation: Installation) -> None:
    async with Receiver(lambda _: 500) as receiver:
        sink = await installation.add_sink(receiver.url)
        subscription = await installation.subscribe(sink)
        await start(installation)
        await installation.hand_to(subscription, installation.event(1), deadline_ms=now_ms() + 8_000)
        await receiver.wait_for(lambda: bool(receiver.received))
        await installation.put(replace(sink, paused=True))

        [dead] = await installation.dead(1)
        tried = len(receiver.received)
    assert header(dead, "es_reason") == "expired"
    assert int(header(dead, "es_attempts")) == tried


async def test_a_worker_that_stops_leaves_what_waits_for_a_broken_sink_to_the_next(installation: Installation) -> None:
    async with Receiver(lambda _: 503) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        first = await start(installation)
        await hand_all(installation, subscription, 200)
        await eventually(lambda: in_state(first, "broken") == 1.0)
        await installation.stop(first)

        receiver.answer = lambda _: 200
        await start(installation)

        await receiver.wait_for(lambda: len(receiver.accepted) == 200)


async def test_nothing_is_committed_while_the_dead_letters_cannot_be_written(installation: Installation) -> None:
    async with Receiver(lambda received: 400 if received.ids == ["EZ1"] else 200) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)
        spec = next(
            spec
            for spec in installation.topics.worker_specs("webhook")
            if spec.name == installation.topics.dead("webhook")
        )
        await installation.admin.delete([spec.name])
        await installation.admin.ensure([replace(spec, config={**spec.config, "max.message.bytes": "100"})])

        await hand_all(installation, subscription, 5)

        await receiver.wait_for(lambda: len(receiver.accepted) == 4)
        await eventually(lambda: failures(worker) >= 2)
        assert await committed_lag(installation, subscription) >= 4
        await installation.admin.delete([spec.name])
        await installation.admin.ensure([spec])
        [dead] = await installation.dead(1)
    assert header(dead, "ce_id") == "EZ1"


async def test_a_retry_topic_that_takes_no_large_event_holds_up_nobody(installation: Installation) -> None:
    specs = [spec for spec in installation.topics.worker_specs("webhook") if ".retry." in spec.name]
    await installation.admin.ensure(
        [replace(spec, config={**spec.config, "max.message.bytes": "100"}) for spec in specs]
    )
    async with Receiver(lambda received: 500 if received.ids == ["EZ1"] else 200) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)

        await hand_all(installation, subscription, 5)

        await receiver.wait_for(lambda: len(receiver.accepted) == 4)
        [dead] = await installation.dead(1)
        await eventually(lambda: failures(worker) >= 1)
    assert (header(dead, "ce_id"), header(dead, "es_reason")) == ("EZ1", "too_large")
    assert "max.message.bytes" in header(dead, "es_detail")


def failures(worker: Process) -> float:
    labels = {"sink_type": "webhook"}
    return worker.metrics.registry.get_sample_value("eventstreams_settle_failures_total", labels) or 0.0


async def test_a_batching_sink_that_fails_keeps_its_events_too(installation: Installation) -> None:
    async with Receiver(lambda _: 500) as receiver:
        sink = await installation.add_sink(receiver.url, config={"batch_events": True})
        subscription = await installation.subscribe(sink)
        worker = await start(installation)
        await hand_all(installation, subscription, 3_000)
        await eventually(lambda: in_state(worker, "broken") == 1.0)

        receiver.answer = lambda _: 200
        await receiver.wait_for(lambda: len(receiver.accepted) == 3_000, timeout_s=60)
    assert set(receiver.accepted.values()) == {1}


async def test_an_event_that_fails_while_others_are_taken_does_not_close_the_gate(installation: Installation) -> None:
    def answer(received: Received) -> int:
        return 500 if int(received.ids[0][2:]) % 20 == 0 else 200

    async with Receiver(answer) as receiver:
        subscription = await installation.subscribe(await installation.add_sink(receiver.url))
        worker = await start(installation)

        await hand_all(installation, subscription, 1_000)

        await receiver.wait_for(lambda: len(receiver.accepted) == 950)
        assert in_state(worker, "open") == 1.0
