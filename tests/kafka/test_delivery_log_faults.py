"""The delivery log where something is missing, broken or switched off: the rest of the system goes on."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from eventstreams.attempts import encode
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from eventstreams.times import now_ms
from sink_workers.role import worker_for
from tests.support.entries import make_entry
from tests.support.installation import Installation
from tests.support.plain_api import PlainApi, serving_counted
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka


async def test_a_log_that_is_damaged_while_it_is_used_is_rebuilt(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"delivery_log": SecretStr(str(tmp_path / "log.db"))})
    async with Installation(settings) as installation, serving_counted(settings) as (url, metrics):
        await installation.publish([installation.event(number) for number in range(200)])
        api = PlainApi(url, installation.account_sid)
        for number in (0, 199):
            await api.until(f"/v1/Events/EZ{number}", lambda _: True)

        for file in (tmp_path / "log.db", tmp_path / "log.db-wal"):
            with file.open("r+b") as opened:  # in place, as a bad disk would
                size = file.stat().st_size
                opened.seek(2048)
                opened.write(b"\xa5" * max(size - 2048, 0))
        await installation.publish([installation.event(200)])

        for number in (0, 199, 200):
            await api.until(f"/v1/Events/EZ{number}", lambda _: True)
        rebuilds = metrics.registry.get_sample_value("eventstreams_delivery_log_rebuilds_total")
        assert rebuilds is not None
        assert rebuilds > 0


async def test_records_that_make_no_sense_are_skipped_and_counted(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"delivery_log": SecretStr(str(tmp_path / "log.db"))})
    async with Installation(settings) as installation, serving_counted(settings) as (url, metrics):
        good = make_entry(at_ms=now_ms(), account_sid=installation.account_sid)
        attempts, events = installation.topics.attempts, installation.topics.events
        await installation.put_raw(attempts, b"\xff", ())
        await installation.put_raw(attempts, encode([good._replace(kind="teleported"), good]), ())
        for headers in ((), [("ce_id", b"\xff")], [("ce_id", b"x" * 2000), ("ce_type", b"t"), ("ce_time", b"t")]):
            await installation.put_raw(events, b"", [*headers, ("ce_accountsid", installation.account_sid.encode())])

        listed = await PlainApi(url, installation.account_sid).until(
            "/v1/Attempts", lambda answer: answer["attempts"] and answer["lag"] == {"records": 0, "seconds": 0.0}
        )

        assert [each["event_id"] for each in listed["attempts"]] == [good.event_id]
        assert metrics.registry.get_sample_value("eventstreams_delivery_log_skipped_total") == 2


async def test_an_api_that_starts_again_goes_on_where_the_log_was(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"delivery_log": SecretStr(str(tmp_path / "log.db"))})
    async with Installation(settings) as installation, Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(f"{receiver.url}"))
        await installation.start(worker_for(load_plugin("webhook")))
        for number in range(3):
            await installation.hand_to(subscription, installation.event(number))
            async with serving_counted(settings) as (url, _):
                api = PlainApi(url, installation.account_sid)
                listed = await api.until(
                    "/v1/Attempts",
                    lambda answer, number=number: len(answer["attempts"]) > number,  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                )
                assert [each["event_id"] for each in listed["attempts"]] == [f"EZ{n}" for n in range(number, -1, -1)]


async def test_an_event_that_no_router_has_come_to_is_on_its_way(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"delivery_log": SecretStr(str(tmp_path / "log.db"))})
    async with Installation(settings) as installation, serving_counted(settings) as (url, _):
        await installation.subscribe(await installation.add_sink("http://127.0.0.1:9/"))
        await installation.publish([installation.event(1)])

        found = await PlainApi(url, installation.account_sid).until("/v1/Events/EZ1", lambda _: True)

        [delivery] = found["deliveries"]
        assert (delivery["state"], delivery["topic"]) == ("routing", installation.topics.events)
        assert (delivery["partition"], delivery["offset"]) == (found["partition"], found["offset"])


async def test_a_log_that_is_switched_off_says_so(settings: Settings) -> None:
    async with Installation(settings) as installation, serving_counted(settings) as (url, _):
        for path in ("/v1/Attempts", "/v1/Events", "/v1/Events/EZ1"):
            status, error = await PlainApi(url, installation.account_sid).get(path)

            assert (status, error["code"]) == (409, 20409)  # no 5xx: it is as it was set up, and nobody need be told
            assert error["message"].startswith("The delivery log is switched off: EVENTSTREAMS_DELIVERY_LOG")


async def test_a_log_that_cannot_be_written_leaves_the_rest_of_the_api_as_it_is(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "log.db").mkdir()
    settings = settings.model_copy(update={"delivery_log": SecretStr(str(tmp_path / "log.db"))})
    async with Installation(settings) as installation, serving_counted(settings) as (url, _):
        api = PlainApi(url, installation.account_sid)

        assert (await api.get("/v1/Sinks"))[0] == 200
        status, error = await api.get("/v1/Attempts")
        assert (status, error["message"]) == (503, "The delivery log cannot be read right now: try again")


async def test_deliveries_go_on_while_kafka_does_not_take_attempts(settings: Settings) -> None:
    async with Installation(settings) as installation, Receiver() as receiver:
        subscription = await installation.subscribe(await installation.add_sink(f"{receiver.url}"))
        worker = await installation.start(worker_for(load_plugin("webhook")))
        await installation.admin.delete([installation.topics.attempts])
        while installation.topics.attempts in await installation.admin.topics():  # brokers take records a moment longer
            await asyncio.sleep(0.05)

        for number in range(200):
            await installation.hand_to(subscription, installation.event(number))

        await receiver.wait_for(lambda: len(receiver.accepted) == 200)
        group = installation.topics.group("worker.webhook")
        while not await installation.admin.has_settled(group, installation.topic_of(subscription)):
            await asyncio.sleep(0.1)
        labels = {"sink_type": "webhook"}
        await eventually(
            lambda: worker.metrics.registry.get_sample_value("eventstreams_attempt_log_dropped_total", labels) == 200,
            timeout_s=60,
        )
