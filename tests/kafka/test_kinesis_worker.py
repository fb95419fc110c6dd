"""A whole worker towards a stream that throttles, with keys that end: all arrive, and none that was taken again."""

import asyncio
import random
import time
import uuid
from collections import Counter
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from botocore.session import Session

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from sink_workers.role import worker_for
from tests.support.installation import Installation
from tests.support.kinesis import ACCOUNT, OWN_KEY, REGION, ROLE, environ, stream_behind_gate
from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka
PATIENCE_S = 300.0
RECORDS_A_SECOND = 1000


async def throttled(settings: Settings, moto: str, monkeypatch: pytest.MonkeyPatch, *, events: int) -> str:
    """Deliver ``events``, half of them at once, while one entry in ten is throttled and keys live for a second.

    Returns how long it took, and what was put, in words.
    """
    chance = random.Random(8)
    async with (
        stream_behind_gate(moto, f"events-{uuid.uuid4().hex[:8]}") as stream,
        Installation(settings) as installation,
    ):
        for name, value in environ(stream).items():
            monkeypatch.setenv(name, value)
        stream.life = timedelta(seconds=1)
        stream.throttles = lambda _: chance.random() < 0.1
        config = {"arn": stream.arn, "role_arn": ROLE, "external_id": stream.external_id}
        subscription = await installation.subscribe(
            await installation.add_sink(None, config=config, sink_type="kinesis")
        )

        async def hand(first: int, end: int) -> None:
            for begin in range(first, end, 100):
                numbers = range(begin, min(begin + 100, end))
                await asyncio.gather(
                    *(installation.hand_to(subscription, installation.event(each)) for each in numbers)
                )

        def taken() -> Counter[str]:
            return Counter(each for ids, refused in stream.puts for each in ids if each not in refused)

        await hand(0, events // 2)
        began = time.monotonic()
        await installation.start(worker_for(load_plugin("kinesis")))
        await hand(events // 2, events)
        most = events * 9 // 10
        await eventually(lambda: len(taken()) >= most, timeout_s=PATIENCE_S, what=lambda: f"{len(taken())} taken")
        most_s = time.monotonic() - began
        await eventually(lambda: len(taken()) == events, timeout_s=PATIENCE_S, what=lambda: f"{len(taken())} taken")
        all_s = time.monotonic() - began

        assert set(taken().values()) == {1}
        assert any(refused for _, refused in stream.puts)
        assert stream.calls.count("AssumeRole") > 1
        assert Counter(key for key, _ in await stream.records()) == {f"EZ{number}": 1 for number in range(events)}
        put = sum(len(ids) for ids, _ in stream.puts)
        return f"{events:,} events: {most:,} after {most_s:.1f} s, all after {all_s:.1f} s; {put:,} entries put"


async def test_with_one_entry_in_ten_throttled_and_keys_that_end_each_event_arrives_once(
    settings: Settings, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await throttled(settings, moto, monkeypatch, events=600)


@pytest.mark.proof
@pytest.mark.timeout(900)
async def test_ten_thousand_events_of_which_one_entry_in_ten_is_throttled_arrive_once(
    settings: Settings, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(await throttled(settings, moto, monkeypatch, events=10_000))  # noqa: T201 - `make proof` shows it


class Shard:
    """Says which entries one shard throttles: those beyond a thousand in a second."""

    def __init__(self) -> None:
        self._second = 0
        self._taken = 0

    def __call__(self, _: str) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        return self._taken > RECORDS_A_SECOND


@pytest.mark.proof
@pytest.mark.timeout(900)
async def test_a_stream_with_too_few_shards_gets_what_it_takes(
    settings: Settings, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held to a shard's thousand a second, with more than that waiting: few entries are put in vain."""
    events = 6_000
    async with (
        stream_behind_gate(moto, f"events-{uuid.uuid4().hex[:8]}") as stream,
        Installation(settings) as installation,
    ):
        for name, value in environ(stream).items():
            monkeypatch.setenv(name, value)
        stream.throttles = Shard()
        config = {"arn": stream.arn, "role_arn": ROLE, "external_id": stream.external_id}
        subscription = await installation.subscribe(
            await installation.add_sink(None, config=config, sink_type="kinesis")
        )
        for begin in range(0, events, 100):
            await asyncio.gather(
                *(installation.hand_to(subscription, installation.event(begin + each)) for each in range(100))
            )
        began = time.monotonic()
        await installation.start(worker_for(load_plugin("kinesis")))

        def taken() -> int:
            return sum(len(ids) - len(refused) for ids, refused in stream.puts)

        await eventually(lambda: taken() == events, timeout_s=PATIENCE_S, what=lambda: f"{taken()} taken")

        put = sum(len(ids) for ids, _ in stream.puts)
        print(f"{events:,} events after {time.monotonic() - began:.1f} s; {put / events:.2f} entries put for each")  # noqa: T201


def test_iam_takes_the_policies_of_the_pages_in_docs_sinks(moto: str) -> None:
    iam: Any = Session().create_client(  # its methods are made from data at run time
        "iam",
        region_name=REGION,
        endpoint_url=moto,
        aws_access_key_id=OWN_KEY.id,
        aws_secret_access_key=OWN_KEY.secret,
    )
    pages = [blocks_of(ROOT / "docs" / "sinks" / page) for page in ("kinesis.md", "s3.md", "sqs.md")]
    shown = [[each.text for each in page if '"2012-10-17"' in each.text] for page in pages]
    assert all(shown)

    for policy in chain.from_iterable(shown):
        name = f"p{uuid.uuid4().hex[:8]}"
        if "sts:AssumeRole" in policy:
            trusting = policy.replace("THE-OPERATORS-ACCOUNT", ACCOUNT)
            made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting)["Role"]
        else:
            made = iam.create_policy(PolicyName=name, PolicyDocument=policy)["Policy"]
        assert made["Arn"].endswith(name)
