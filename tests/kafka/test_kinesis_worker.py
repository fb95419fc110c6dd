"""A whole worker towards a stream that throttles, with keys that end: all arrive, and none that was taken again."""

import random
import uuid
from collections import Counter
from datetime import timedelta

import pytest

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from sink_workers.role import worker_for
from tests.support.installation import Installation
from tests.support.kinesis import ROLE, environ, stream_behind_gate
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka
EVENTS = 600


async def test_with_one_entry_in_ten_throttled_and_keys_that_end_each_event_arrives_once(
    settings: Settings, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(8)
    async with stream_behind_gate(moto, f"events-{uuid.uuid4().hex[:8]}") as stream, Installation(settings) as house:
        for name, value in environ(stream).items():
            monkeypatch.setenv(name, value)
        stream.life = timedelta(seconds=1)
        stream.throttles = lambda _: chance.random() < 0.1
        config = {"arn": stream.arn, "role_arn": ROLE, "external_id": stream.external_id}
        subscription = await house.subscribe(await house.add_sink(None, config=config, sink_type="kinesis"))
        for number in range(EVENTS // 2):
            await house.hand_to(subscription, house.event(number))

        await house.start(worker_for(load_plugin("kinesis")))
        for number in range(EVENTS // 2, EVENTS):
            await house.hand_to(subscription, house.event(number))

        def taken() -> Counter[str]:
            return Counter(each for ids, throttled in stream.puts for each in ids if each not in throttled)

        await eventually(lambda: len(taken()) == EVENTS, timeout_s=60.0, what=lambda: f"{len(taken())} taken")
        assert set(taken().values()) == {1}
        assert any(throttled for _, throttled in stream.puts)
        assert stream.calls.count("AssumeRole") > 1
        assert Counter(key for key, _ in await stream.records()) == {f"EZ{number}": 1 for number in range(EVENTS)}
