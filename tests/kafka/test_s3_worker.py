"""A worker that is killed in mid-file: the archive has every event, and its reader's view has each exactly once."""

import asyncio
import shlex
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click.testing
import orjson
import pytest

from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from sink_workers.archive.bucket import Archive, Place, Wanted
from sink_workers.archive.cli import archive
from sink_workers.archive.reader import Tally, distinct_events
from sink_workers.role import worker_for
from tests.support.installation import DELIVERED, SENT, Installation, header
from tests.support.kinesis import OWN_KEY, REGION, ROLE, environ
from tests.support.page import blocks_of
from tests.support.s3 import Bucket, bucket_behind_gate, client, events_in
from tests.support.s3_worker import s3_worker
from tests.support.snippet_kinds import ROOT
from tests.support.topic import eventually
from tests.support.up import variables

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
_AT_A_TIME = 150
_PATIENCE_S = 150.0
_LOOK_S = 0.5


def config(bucket: Bucket, **changes: object) -> Mapping[str, object]:
    given = {"bucket": bucket.name, "region": REGION, "role_arn": ROLE, "external_id": bucket.external_id}
    return {**given, "prefix": "audit", "max_age_s": 1, **changes}


def in_view(bucket: Bucket) -> tuple[Counter[str], Tally]:
    """How often each event is in the reader's view."""
    tally, place = Tally(), Place(bucket.name, "audit/")
    return Counter(each.id for each in distinct_events(Archive(place, client(bucket.moto)), Wanted(), tally)), tally


async def killed_in_mid_file(settings: Settings, moto: str, *, kills: int) -> None:
    """Kill the worker so often: by turns while a batch waits to become an object, and while an object is on its way."""
    async with (
        bucket_behind_gate(moto, f"archive-{uuid.uuid4().hex[:8]}") as bucket,
        Installation(settings) as installation,
    ):
        sink = await installation.add_sink(None, config=config(bucket), sink_type="s3")
        subscription = await installation.subscribe(sink, SENT, DELIVERED)

        async def hand(number: int) -> None:
            await installation.hand_to(
                subscription, installation.event(number, type_=SENT if number % 3 else DELIVERED)
            )

        handed = 0
        with s3_worker(settings, bucket) as worker:
            for kill in range(kills):
                bucket.reached.clear()
                worker.start()
                await asyncio.gather(*map(hand, range(handed, handed + _AT_A_TIME)))
                handed += _AT_A_TIME
                await asyncio.wait_for(
                    bucket.reached.wait(), _PATIENCE_S
                )  # the first event; the others wait for an object
                if kill % 2 == 0:
                    bucket.held.clear()
                    bucket.reached.clear()
                    await asyncio.gather(*map(hand, range(handed, handed + _AT_A_TIME)))
                    handed += _AT_A_TIME
                    await asyncio.wait_for(bucket.reached.wait(), _PATIENCE_S)  # an object is on its way
                worker.kill()
                bucket.held.set()  # what was on its way is stored now, and nobody has been told
            worker.start()
            wanted = {f"EZ{number}" for number in range(handed)}

            def lacking() -> set[str]:
                return wanted - {str(event["id"]) for _, event in events_in(bucket.objects())}

            until = time.monotonic() + _PATIENCE_S
            while missing := await asyncio.to_thread(lacking):
                assert time.monotonic() < until, f"{len(missing)} are missing"
                await asyncio.sleep(_LOOK_S)

        found, tally = await asyncio.to_thread(in_view, bucket)
        assert found == dict.fromkeys(wanted, 1)
        assert tally.repeated > 0  # an object was stored of which a killed worker never heard


async def test_a_worker_that_is_killed_in_mid_file_loses_no_event_and_the_view_has_each_once(
    settings: Settings, moto: str
) -> None:
    await killed_in_mid_file(settings, moto, kills=2)


@pytest.mark.proof
@pytest.mark.timeout(1800)
async def test_twenty_kills_in_mid_file_lose_no_event_and_the_view_has_each_once(settings: Settings, moto: str) -> None:
    await killed_in_mid_file(settings, moto, kills=20)


async def test_an_archive_is_listed_exported_and_replayed_to_one_subscription(
    settings: Settings, moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with (
        bucket_behind_gate(moto, f"archive-{uuid.uuid4().hex[:8]}") as bucket,
        Installation(settings) as installation,
    ):
        for name, value in {**environ(bucket), **variables(settings)}.items():
            monkeypatch.setenv(name, value)
        sink = await installation.add_sink(None, config=config(bucket, format="jsonl"), sink_type="s3")
        newest = installation.catalog.newest_schema(SENT)
        assert newest is not None
        archiving = await installation.subscribe(sink, SENT, DELIVERED, schema_version=newest.version)
        again = await installation.subscribe(await installation.add_sink("https://example.com"), SENT)
        for number in range(10):
            await installation.hand_to(archiving, installation.event(number, type_=SENT if number % 2 else DELIVERED))
        await installation.hand_to(archiving, installation.event(1))  # delivered twice, as around a fault
        process = await installation.start(worker_for(load_plugin("s3")))
        await eventually(lambda: len(events_in(bucket.objects())) == 11, timeout_s=_PATIENCE_S, every_s=_LOOK_S)
        await installation.stop(process)
        for name, value in {"AWS_ACCESS_KEY_ID": OWN_KEY.id, "AWS_ENDPOINT_URL": bucket.moto}.items():
            monkeypatch.setenv(name, value)
        place = f"s3://{bucket.name}/audit"

        listed = await run("list", place, "-o", "json")
        assert {each["type"] for each in listed} == {SENT, DELIVERED}
        day = listed[0]["day"]

        told = await run("export", place, "--from", day, "--into", str(tmp_path / "events.jsonl"), "-o", "json")
        exported = [orjson.loads(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
        assert (told["events"], told["repeated"]) == (10, 1)
        assert sorted(each["id"] for each in exported) == [f"EZ{number}" for number in range(10)]
        assert all(each["specversion"] == "1.0" and each["accountsid"] == installation.account_sid for each in exported)

        done = await run("replay", place, "--subscription", again.sid, "--rate", "1000", "--yes", "-o", "json")
        assert done == {"events": 5, "repeated": 1, "skipped": {"not_subscribed": 5}}
        copies = await installation.copies_of(again.sid, 5)
        assert sorted(header(copy, "ce_id") for copy in copies) == [f"EZ{number}" for number in range(1, 10, 2)]
        by_id = {header(copy, "ce_id"): copy for copy in copies}
        assert by_id["EZ3"].value == installation.encoded(installation.event(3))[0]
        assert int(header(by_id["EZ3"], "es_deadline")) > int(header(by_id["EZ3"], "es_accepted_at"))

        page = {"s3://acme-audit/events": place, "sent.jsonl": str(tmp_path / "sent.jsonl"), "DF…": again.sid}
        for arguments in typed(page | dict.fromkeys(("2026-03-01", "2026-03-29", "2026-03-31"), day)):
            assert (await invoke(*arguments, given="y\n")).exit_code == 0, arguments
        assert len((tmp_path / "sent.jsonl").read_bytes().splitlines()) == 5

        refused = await invoke("replay", place, "--subscription", "DF" + "0" * 32, "--yes")
        assert "subscription DF000" in str(refused.exception)
        nowhere = await invoke("list", f"s3://{bucket.name}-not")
        assert "S3 refuses to list" in str(nowhere.exception)
        assert "NoSuchBucket" in str(nowhere.exception)


async def invoke(*arguments: str, given: str | None = None) -> click.testing.Result:
    return await asyncio.to_thread(click.testing.CliRunner().invoke, archive, arguments, input=given)


def typed(places: Mapping[str, str]) -> Sequence[Sequence[str]]:
    """The commands of docs/sinks/s3.md that read an archive, without the program's name."""
    [shown] = [each.text for each in blocks_of(ROOT / "docs/sinks/s3.md") if "archive list" in each.text]
    for place, here in places.items():
        shown = shown.replace(place, here)
    return [shlex.split(line.removeprefix("eventstreams archive ")) for line in shown.splitlines()]


async def run(*arguments: str) -> Any:
    """What the command says as JSON."""
    result = await invoke(*arguments)
    assert result.exception is None, (result.exception, result.output)
    return orjson.loads(result.stdout)
