"""The typed client, coroutines and plain calls, against a running API: every call, and paging over several pages."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from eventstreams.client import KEEP, ApiError, AsyncEventStreams, EventStreams, JobStatus, SinkHealth, Which
from eventstreams.settings import Settings
from tests.support.api import Api, call, serving
from tests.support.dead_letters import add_dead_letters
from tests.support.events import message_event
from tests.support.installation import SENT, TOKEN, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python-client.md").read_text("utf-8")
SIGNED = {"destination": "https://hooks.example.com/a", "standard_webhooks": {}}


@dataclass(frozen=True)
class World:
    url: str
    account_sid: str
    sink_sid: str
    subscription_sid: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    log = SecretStr(str(tmp_path_factory.mktemp("log") / "log.sqlite"))
    settings = module_settings.model_copy(update={"delivery_log": log})
    async with Installation(settings) as installation, serving(settings) as url:
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        api = Api(installation, url)
        sink = await api.sink(sink_configuration=SIGNED)
        subscription = await api.subscription(sink.sid, SENT)
        await installation.feed.catch_up()
        await add_dead_letters(installation, installation.feed.snapshot.subscriptions[subscription.sid], range(3))
        yield World(url, installation.account_sid, sink.sid, subscription.sid)


@pytest_asyncio.fixture(loop_scope="module")
async def api(world: World) -> AsyncIterator[AsyncEventStreams]:
    async with AsyncEventStreams(world.url, world.account_sid, TOKEN) as api:
        yield api


async def test_a_sink_is_paused_limited_and_let_go_again(world: World, api: AsyncEventStreams) -> None:
    changed = await api.set_sink_delivery(world.sink_sid, paused=True, rate_limit=5, throttle="reference")
    kept = await api.set_sink_delivery(world.sink_sid, paused=False, rate_limit=KEEP)
    freed = await api.set_sink_delivery(world.sink_sid, rate_limit=None, throttle="adaptive")

    assert (changed.paused, changed.rate_limit, changed.throttle) == (True, 5.0, "reference")
    assert (kept.paused, kept.rate_limit) == (False, 5.0)
    assert freed == await api.sink_delivery(world.sink_sid)
    assert freed.rate_limit is None


async def test_a_subscription_is_filtered_and_shortened(world: World, api: AsyncEventStreams) -> None:
    sid = world.subscription_sid
    changed = await api.set_subscription_delivery(sid, ttl=timedelta(minutes=5), filter="type != ''", paused=True)
    kept = await api.set_subscription_delivery(sid, paused=False)
    freed = await api.set_subscription_delivery(sid, ttl=None, filter=None)

    assert (changed.ttl, changed.filter, changed.paused) == (300.0, "type != ''", True)
    assert (kept.ttl, kept.filter) == (300.0, "type != ''")
    assert freed == await api.subscription_delivery(sid)
    assert (freed.ttl, freed.filter) == (4 * 3600.0, None)


async def test_a_subscriptions_attempts_are_spaced_and_counted(world: World, api: AsyncEventStreams) -> None:
    sid, delays = world.subscription_sid, [timedelta(seconds=5), timedelta(minutes=2)]
    changed = await api.set_subscription_delivery(sid, retry_delays=delays, max_attempts=3, partitions=2)
    kept = await api.set_subscription_delivery(sid, paused=False)
    schedule = await api.retry_schedule(sid)
    freed = await api.set_subscription_delivery(sid, retry_delays=None, max_attempts=None)

    assert (changed.retry_delays, changed.max_attempts, changed.partitions) == ([5.0, 120.0], 3, 2)
    assert kept == changed
    assert (len(schedule.attempts), schedule.max_attempts) == (3, 3)
    assert (freed.max_attempts, freed.partitions) == (None, 2)
    assert freed.retry_delays != changed.retry_delays


async def test_a_sink_is_led_elsewhere_and_sent_a_sample(world: World, api: AsyncEventStreams) -> None:
    before = await api.sink_configuration(world.sink_sid)
    elsewhere = {**before.sink_configuration, "destination": "http://127.0.0.1:9/elsewhere"}
    changed = await api.set_sink_configuration(world.sink_sid, elsewhere)
    sample = await api.send_sample(world.sink_sid, SENT, schema_version=1)

    assert changed.sink_configuration["destination"] == "http://127.0.0.1:9/elsewhere"
    assert changed == await api.sink_configuration(world.sink_sid)
    assert (sample.sink_sid, sample.type, sample.schema_version) == (world.sink_sid, SENT, 1)


async def test_a_retry_schedule_ends_before_the_deadline(world: World, api: AsyncEventStreams) -> None:
    schedule = await api.retry_schedule(world.subscription_sid)

    assert schedule.attempts[0].attempt == 1
    assert all(each.latest_at <= schedule.deadline for each in schedule.attempts)


async def test_a_filter_is_tried_on_a_sample_and_on_types(world: World, api: AsyncEventStreams) -> None:
    sample = {"type": SENT, "id": "EZ1", "data": dict(message_event(world.account_sid, 1).data)}
    judged = await api.preview_filter("id == 'no'", types=[SENT], event=sample, count=1)
    latest = await api.preview_filter("id != ''", subscription_sid=world.subscription_sid)

    assert [each.verdict for each in judged.events] == ["excluded"]
    assert latest.events == []


async def test_a_signing_secret_is_rotated_and_never_shown_by_accident(world: World, api: AsyncEventStreams) -> None:
    before = await api.signing_secret(world.sink_sid)
    after = await api.rotate_signing_secret(world.sink_sid, grace=timedelta(hours=1))

    assert before.secret is not None
    assert after.secret is not None
    assert before.secret != after.secret
    assert after.previous[0].date_expires > datetime.now(UTC)
    assert after.secret.get_secret_value() not in repr(after)


async def test_dead_letters_are_listed_and_redriven_with_progress(world: World, api: AsyncEventStreams) -> None:
    which = Which(subscription_sid=world.subscription_sid, reasons=["refused"])
    letters = [each async for each in api.dead_letters(which)]
    whole = await api.dead_letter(letters[0].id)
    one = Which(dead_letter_ids=[letters[0].id])
    preview = await api.preview_redrive(one)
    job = await api.start_redrive(one, rate=100, idempotency_key="just-once")
    again = await api.start_redrive(one, rate=100, idempotency_key="just-once")
    seen = [each async for each in api.follow(job, look_s=0.05)]

    assert len(letters) == 3
    assert whole.data is not None
    assert (preview.redriven, seen[-1].redriven) == (1, 1)
    assert again.sid == job.sid
    assert seen[-1].status is JobStatus.COMPLETED
    assert seen[-1] == await api.redrive(job.sid)
    assert job.sid in [each.sid async for each in api.redrives(status="completed")]
    with pytest.raises(ApiError, match="is already completed"):
        await api.cancel_redrive(job.sid)


async def test_events_are_replayed(world: World, api: AsyncEventStreams) -> None:
    which = Which(subscription_sid=world.subscription_sid, after=datetime(2026, 1, 1, tzinfo=UTC))
    preview = await api.preview_replay(which)
    job = await api.start_replay(which)
    seen = [each async for each in api.follow(job, look_s=0.05)]

    assert (preview.replayed, seen[-1].replayed) == (0, 0)
    assert seen[-1] == await api.replay(job.sid)
    assert job.sid in [each.sid async for each in api.replays()]
    with pytest.raises(ApiError):
        await api.cancel_replay(job.sid)


async def test_health_attempts_and_whereabouts_come_from_the_delivery_log(world: World, api: AsyncEventStreams) -> None:
    report = await api.sink_health(world.sink_sid)
    attempts = [each async for each in api.attempts(sink_sid=world.sink_sid, after=datetime(2026, 1, 1, tzinfo=UTC))]

    assert report.state in {SinkHealth.SILENT, SinkHealth.WORKING}
    assert all(each.outcome == "redriven" for each in attempts)
    with pytest.raises(ApiError, match="not in the delivery log") as caught:
        await api.where_is("EZ/%2F ü")
    assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_a_list_goes_on_over_its_pages(world: World, api: AsyncEventStreams) -> None:
    fields = [("SubscriptionSid", world.subscription_sid), ("PageSize", "1")]

    found = [each["id"] async for each in api.connection.pages("/v1/DeadLetters", "dead_letters", fields)]

    assert len(found) == len(set(found)) == 3


def plain_calls(world: World) -> None:
    with EventStreams(world.url, world.account_sid, TOKEN) as api:
        sink, subscription = world.sink_sid, world.subscription_sid
        assert api.set_sink_delivery(sink, rate_limit=7) == api.sink_delivery(sink)
        assert api.set_subscription_delivery(subscription, paused=False) == api.subscription_delivery(subscription)
        assert api.sink_health(sink).sink_sid == sink
        assert api.signing_secret(sink).secret != api.rotate_signing_secret(sink, grace=timedelta(0)).secret
        assert api.retry_schedule(subscription).attempts
        assert api.preview_filter("true", types=[SENT]).filter == "true"
        letters = list(api.dead_letters())
        which = Which(dead_letter_ids=[letters[-1].id])
        assert api.dead_letter(letters[-1].id).event_id == letters[-1].event_id
        assert api.preview_redrive(which).redriven == 1
        assert list(api.follow(api.start_redrive(which), look_s=0.05))[-1].redriven == 1
        job = next(iter(api.redrives(status="completed")))
        assert api.redrive(job.sid) == job
        since = Which(subscription_sid=subscription, after=datetime(2026, 2, 1, tzinfo=UTC))
        assert api.preview_replay(since).replayed == 0
        replay = list(api.follow(api.start_replay(since), look_s=0.05))[-1]
        assert replay in list(api.replays())
        assert api.replay(replay.sid) == replay
        for cancel, sid in ((api.cancel_redrive, job.sid), (api.cancel_replay, replay.sid)):
            with pytest.raises(ApiError) as caught:
                cancel(sid)
            assert caught.value.status == 409
        assert isinstance(list(api.attempts(outcome="failed")), list)
        with pytest.raises(ApiError):
            api.where_is("EZ-none")
        with pytest.raises(ApiError, match="record was not found"):
            api.cloud_event("EZ-none")
        assert list(api.events(event_type="com.acme.never")) == []
        assert api.flow(seconds=5).deliveries_seconds == 5
        assert subscription in {each.subscription_sid for each in api.backlog().subscriptions}


async def test_the_same_calls_are_there_for_code_without_a_loop(world: World) -> None:
    await call(lambda: plain_calls(world))


@pytest.mark.parametrize("number", range(len(re.findall("```python", PAGE))))
async def test_the_examples_in_docs_run_as_they_stand(world: World, number: int) -> None:
    block = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number]
    given = {
        "url": world.url,
        "account_sid": world.account_sid,
        "auth_token": TOKEN,
        "sink_sid": world.sink_sid,
        "subscription_sid": world.subscription_sid,
    }
    program = "\n".join(f"{name} = {value!r}" for name, value in given.items()) + "\n" + block
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()
