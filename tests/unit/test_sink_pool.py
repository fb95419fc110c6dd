"""The pool: whatever a plugin does when a sink is opened, whoever asked is answered, and soon."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from eventstreams.control.feed import ControlFeed, Listener
from eventstreams.control.records import Account, SinkRecord, SinkStatus
from eventstreams.control.snapshot import Change, Snapshot
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.settings import Settings
from eventstreams.sinks import Capabilities, DestinationGuard, RetryLater, RetryReason, Sink, SinkContext, SinkPlugin
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.times import Clock, now_ms
from sink_workers.delivery.sink_pool import OpenSink, SinkPool

Open = Callable[["Config", SinkContext], Awaitable[Sink]]


class Config(BaseModel):
    """Nothing."""


_SINK = SinkRecord(
    sid="DG1",
    account_sid="AC1",
    description="",
    sink_type="test",
    configuration="",
    status=SinkStatus.ACTIVE,
    created_ms=0,
    updated_ms=0,
)


async def opens(_: Config, __: SinkContext) -> Sink:
    return cast(Sink, object())


async def hangs(_: Config, __: SinkContext) -> Sink:
    never: asyncio.Future[Sink] = asyncio.get_running_loop().create_future()
    return await never


async def swallows_its_cancellation(_: Config, __: SinkContext) -> Sink:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def raises(_: Config, __: SinkContext) -> Sink:
    raise ValueError("of the plugin")


async def is_cancelled_by_its_own(_: Config, __: SinkContext) -> Sink:
    own: asyncio.Future[Sink] = asyncio.get_running_loop().create_future()
    own.cancel()
    return await own


def capable(_: Config) -> Capabilities:
    return Capabilities(timeout_s=0.05)


def not_capable(_: Config) -> Capabilities:
    raise ValueError("of the plugin")


def pool_of(
    open_: Open,
    capabilities: Callable[[Config], Capabilities] = capable,
    *,
    listen: Callable[[Listener], None] = lambda _: None,
    secondary: str | None = None,
    clock: Clock = now_ms,
) -> SinkPool:
    """A pool with the sink DG1, which ``open_`` opens; ``listen`` gets whom to tell of changes.

    ``secondary`` is promoted at 2,000 ms of ``clock``.
    """
    vault, snapshot = Vault(Settings.load(secret_key=new_key())), Snapshot()
    snapshot.accounts["AC1"] = Account(
        sid="AC1",
        friendly_name="",
        auth_token=vault.lock("token", Purpose.AUTH_TOKEN, "AC1"),
        created_ms=0,
        updated_ms=0,
        secondary_token=None if secondary is None else vault.lock(secondary, Purpose.AUTH_TOKEN, "AC1"),
        promote_at_ms=None if secondary is None else 2_000,
    )
    snapshot.sinks["DG1"] = replace(_SINK, configuration=vault.lock("{}", Purpose.SINK_CONFIGURATION, "DG1"))
    feed = cast(ControlFeed, SimpleNamespace(snapshot=snapshot, listen=listen))
    plugin = SinkPlugin(sink_type="test", config=Config, capabilities=capabilities, public=lambda _: {}, open=open_)
    return SinkPool(cast(AnySinkPlugin, plugin), feed, vault, DestinationGuard(()), clock=clock)


@asynccontextmanager
async def taken_of(pool: SinkPool) -> AsyncIterator[OpenSink | RetryLater]:
    opened = await pool.take("DG1")
    try:
        yield opened
    finally:
        if isinstance(opened, OpenSink):
            pool.give_back(opened)


@pytest.mark.parametrize(
    ("open_", "capabilities"),
    [
        pytest.param(hangs, capable, id="hangs"),
        pytest.param(swallows_its_cancellation, capable, id="swallows its cancellation"),
        pytest.param(raises, capable, id="raises"),
        pytest.param(is_cancelled_by_its_own, capable, id="is cancelled by its own"),
        pytest.param(opens, not_capable, id="does not know what it can"),
    ],
)
async def test_a_sink_that_cannot_be_opened_is_unusable_now(
    open_: Open, capabilities: Callable[[Config], Capabilities]
) -> None:
    pool = pool_of(open_, capabilities)

    async with asyncio.timeout(30), taken_of(pool) as opened:
        assert isinstance(opened, RetryLater)

    assert opened.reason is RetryReason.SINK_UNUSABLE


async def test_a_sink_that_raises_when_it_is_closed_keeps_nobody_from_the_change_that_closed_it() -> None:
    listeners: list[Listener] = []
    pool = pool_of(opens, listen=listeners.append)  # what it opens has not even an ``aclose``
    async with taken_of(pool) as opened:
        assert not isinstance(opened, RetryLater)

    with capture_logs() as logs:
        listeners[0](Change(_SINK, None))
        await asyncio.sleep(0.01)

    assert [entry["event"] for entry in logs] == ["sink.close_failed"]


async def test_a_sink_that_is_deleted_while_it_opens_is_closed_and_nobody_has_it_again() -> None:
    closed = asyncio.Event()
    snapshots: list[Snapshot] = []

    class Closing:
        async def aclose(self) -> None:
            closed.set()

    async def opens_too_late(_: Config, __: SinkContext) -> Sink:
        del snapshots[0].sinks["DG1"]
        return cast(Sink, Closing())

    pool = pool_of(opens_too_late)
    snapshots.append(pool._feed.snapshot)
    async with taken_of(pool) as opened:
        assert isinstance(opened, OpenSink)
        assert not closed.is_set()

    await asyncio.wait_for(closed.wait(), 5)
    assert pool.capabilities("DG1") is None


async def test_a_sink_that_hangs_as_it_opens_is_waited_for_once_by_all_who_want_it() -> None:
    opens_of = 0

    async def hangs_and_counts(config: Config, context: SinkContext) -> Sink:
        nonlocal opens_of
        opens_of += 1
        return await hangs(config, context)

    pool = pool_of(hangs_and_counts)

    outcomes = await asyncio.gather(*(pool.take("DG1") for _ in range(20)))

    assert opens_of == 1
    assert all(isinstance(outcome, RetryLater) for outcome in outcomes)
    assert isinstance(await pool.take("DG1"), RetryLater)
    assert opens_of == 2


async def test_who_waited_for_a_sink_that_was_changed_meanwhile_has_it_as_it_is_now() -> None:
    going_on, opened_with = asyncio.Event(), list[tuple[str, ...]]()

    async def opens_when_told(_: Config, context: SinkContext) -> Sink:
        opened_with.append(tuple(context.signing_tokens))
        await going_on.wait()
        return cast(Sink, object())

    pool = pool_of(opens_when_told, lambda _: Capabilities(timeout_s=60))
    takers = [asyncio.create_task(pool.take("DG1")) for _ in range(2)]
    while not opened_with:
        await asyncio.sleep(0)
    snapshot = pool._feed.snapshot
    other = pool._vault.lock("other", Purpose.AUTH_TOKEN, "AC1")
    snapshot.accounts["AC1"] = replace(snapshot.accounts["AC1"], auth_token=other)
    going_on.set()

    first, second = await asyncio.gather(*takers)

    assert opened_with == [("token",), ("other",)]
    assert isinstance(first, OpenSink)
    assert isinstance(second, OpenSink)
    assert second.made_from[-1] == other


async def test_who_waits_for_a_sink_to_open_can_be_cancelled() -> None:
    pool = pool_of(hangs, lambda _: Capabilities(timeout_s=60))

    async def deliver() -> None:
        async with taken_of(pool):
            raise AssertionError("it never opens")

    waiting = asyncio.create_task(deliver())
    await asyncio.sleep(0.01)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_deliveries_are_signed_with_the_earlier_token_until_its_grace_is_over() -> None:
    now, opened_with = [1_000], []

    async def closes() -> None:
        return

    async def remembers(_: Config, context: SinkContext) -> Sink:
        opened_with.append(tuple(context.signing_tokens))
        return cast(Sink, SimpleNamespace(aclose=closes))

    pool = pool_of(remembers, secondary="new", clock=lambda: now[0])
    for at_ms in (1_000, 1_999, 2_000, 3_000):
        now[0] = at_ms
        async with taken_of(pool) as opened:
            assert not isinstance(opened, RetryLater)

    assert opened_with == [("token", "new"), ("new",)]


@pytest.mark.parametrize("changed", ["configuration", "token"])
async def test_what_is_open_is_not_had_once_what_it_was_made_from_is_another(changed: str) -> None:
    async def remembers(_: Config, __: SinkContext) -> Sink:
        return cast(Sink, SimpleNamespace(aclose=asyncio.Event().wait))

    pool = pool_of(remembers)
    first = await pool.take("DG1")
    assert isinstance(first, OpenSink)
    assert pool.take_open("DG1") is first
    assert pool.take_open("DG1") is first

    snapshot = pool._feed.snapshot
    if changed == "configuration":
        snapshot.sinks["DG1"] = replace(snapshot.sinks["DG1"], configuration="another")
    else:
        snapshot.accounts["AC1"] = replace(snapshot.accounts["AC1"], auth_token="another")
    assert pool.take_open("DG1") is None

    if changed == "configuration":
        snapshot.sinks["DG1"] = replace(snapshot.sinks["DG1"], configuration=first.made_from[0])
    else:
        snapshot.accounts["AC1"] = replace(snapshot.accounts["AC1"], auth_token=first.made_from[1])
    assert pool.take_open("DG1") is first


async def test_an_open_sink_has_another_token_once_a_promotion_that_was_set_later_is_due() -> None:
    now = [1_000]

    async def remembers(_: Config, __: SinkContext) -> Sink:
        return cast(Sink, SimpleNamespace(aclose=asyncio.Event().wait))

    pool = pool_of(remembers, secondary="new", clock=lambda: now[0])
    accounts = pool._feed.snapshot.accounts
    accounts["AC1"] = replace(accounts["AC1"], promote_at_ms=None)
    first = await pool.take("DG1")
    assert pool.take_open("DG1") is first

    accounts["AC1"] = replace(accounts["AC1"], promote_at_ms=2_000)
    assert pool.take_open("DG1") is first
    now[0] = 2_000

    assert pool.take_open("DG1") is None


async def test_what_is_open_is_had_without_waiting_as_long_as_it_is_what_is_configured() -> None:
    now, closed = [1_000], []

    async def closes() -> None:
        closed.append(True)

    async def remembers(_: Config, __: SinkContext) -> Sink:
        return cast(Sink, SimpleNamespace(aclose=closes))

    pool = pool_of(remembers, secondary="new", clock=lambda: now[0])
    assert pool.take_open("DG1") is None
    first = await pool.take("DG1")
    assert isinstance(first, OpenSink)
    assert pool.take_open("DG1") is first
    assert first.users == 2

    now[0] = 2_000  # from here on another token signs
    assert pool.take_open("DG1") is None
    assert pool.take_open("DG2") is None
    second = await pool.take("DG1")
    assert isinstance(second, OpenSink)
    assert second is not first
    for _ in range(2):
        assert not closed
        pool.give_back(first)
    while not closed:
        await asyncio.sleep(0)
