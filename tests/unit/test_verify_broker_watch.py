"""``eventstreams verify`` says once that a broker goes and once that it is back, whatever its clients log of it."""

import asyncio
import logging

import pytest
from confluent_kafka import Consumer

from eventstreams.kafka.config import client_config
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.verify import broker_watch
from eventstreams.verify.broker_watch import LOGGER, watching_brokers
from tests.support.topic import eventually


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(broker_watch, "_LOOK_S", 0.05)
    monkeypatch.setattr(broker_watch, "_QUIET_S", 0.5)
    return []


async def test_a_client_whose_broker_is_away_is_heard_once(
    said: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_watch, "_QUIET_S", 3.0)  # it tries again every two seconds
    [port] = free_ports(1)
    settings = Settings.load(kafka=f"127.0.0.1:{port}")
    async with watching_brokers(lambda what, sentence: said.append(f"{what}: {sentence}")):
        client = Consumer(client_config(settings, {"group.id": "none"}))
        client.subscribe(["none"])
        for _ in range(30):
            await asyncio.to_thread(client.poll, 0.1)
        await asyncio.to_thread(client.close)

    assert said == [f"kafka: the broker at 127.0.0.1:{port} is unreachable: Connection refused"]
    assert "refused" not in caplog.text


async def test_a_broker_that_listens_and_is_complained_of_no_more_is_back(said: list[str]) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with watching_brokers(lambda _, sentence: said.append(sentence)):
        for _ in range(2):
            logging.getLogger(LOGGER).error("FAIL [rdkafka#1] %s/1: Disconnected (after 5ms in state UP)", at)
        await eventually(lambda: len(said) == 2)
        server.close()
        logging.getLogger(LOGGER).error("FAIL [rdkafka#1] %s/1: Disconnected (after 5ms in state UP)", at)
        await asyncio.sleep(1.0)

    away = f"the broker at {at} is unreachable: Disconnected"
    assert said == [away, f"the broker at {at} accepts connections again", away]


async def test_what_is_about_no_broker_is_logged(said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    async with watching_brokers(lambda _, sentence: said.append(sentence)):
        logging.getLogger(LOGGER).error("a certificate is not trusted")

    assert said == []
    assert "a certificate is not trusted" in caplog.text
