"""A router knows until when it certainly is in its group, and who has its name: itself, nobody, or another process."""

import asyncio
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.consumer import consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import (
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    IllegalGenerationError,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest
from faust.types import TP

from eventstreams import times
from router.faust_app import transport
from router.faust_app.membership import Member, Name
from router.faust_app.transport import RunTransport


class Group:
    """A member ``one`` of a group in which ``holder`` has its name; ``refuses``: what comes of joining."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, holder: str | None, refuses: KafkaError | None = None
    ) -> None:
        self.holder = holder
        self.asked = self.joined = 0
        self.taken = asyncio.Event()
        self._refuses = refuses
        self.closing = asyncio.get_running_loop().create_future()
        self.member = Member.__new__(Member)  # without the tasks in which the library's goes on
        self.member.member_id, self.member.generation = "one", 3
        self.member._rejoin_needed_fut, self.member._closing = asyncio.get_running_loop().create_future(), self.closing
        self.member.name = Name(self._ask, self.taken.set)
        monkeypatch.setattr(GroupCoordinator, "_do_rejoin_group", self._join)

    def _ask(self) -> str | None:
        self.asked += 1
        return self.holder

    async def _join(self, _: object) -> bool:
        self.joined += 1
        if self._refuses is not None:
            raise self._refuses
        return True

    async def gives_way(self) -> None:
        """See that it does, and says so, and does nothing more until it is closed."""
        joining = asyncio.create_task(self.member._do_rejoin_group(None))
        await self.taken.wait()
        assert not joining.done()
        self.closing.set_result(None)
        assert await joining is False


async def test_a_member_whose_name_another_process_has_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, holder="another")
    group.member.reset_generation()  # Kafka does not know it any more

    await group.gives_way()

    assert group.joined == 0


@pytest.mark.parametrize("holder", [None, "one"], ids=["silent for more than a session", "of an older generation"])
async def test_a_member_whose_name_nobody_else_has_joins_again(
    monkeypatch: pytest.MonkeyPatch, holder: str | None
) -> None:
    group = Group(monkeypatch, holder=holder)
    group.member.reset_generation()

    assert await group.member._do_rejoin_group(None)

    assert not group.taken.is_set()


async def test_a_member_whose_answer_was_lost_does_not_take_itself_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, holder=None)
    group.member.reset_generation()
    await group.member._do_rejoin_group(None)

    group.holder = "two"  # what it has become; it was not told
    assert await group.member._do_rejoin_group(None)

    assert (group.asked, group.joined) == (1, 2)


def known(member: Member) -> None:
    """It is a member, and its group shares out anew."""


def new(member: Member) -> None:
    member.member_id = ""


def nameless(member: Member) -> None:
    member.name = None
    member.reset_generation()


@pytest.mark.parametrize("state", [known, new, nameless])
async def test_nobody_is_asked_where_no_other_can_have_put_it_out(
    monkeypatch: pytest.MonkeyPatch, state: Callable[[Member], None]
) -> None:
    group = Group(monkeypatch, holder="another")
    state(group.member)

    assert await group.member._do_rejoin_group(None)

    assert group.asked == 0


async def test_a_member_that_is_put_out_while_it_joins_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    await Group(monkeypatch, holder="another", refuses=KafkaError("82")).gives_way()


async def test_other_errors_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, holder="one", refuses=KafkaError("not authorised"))

    with pytest.raises(KafkaError, match="not authorised"):
        await group.member._do_rejoin_group(None)


async def test_who_could_not_join_for_long_still_joins_once_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust fetches nothing while its partitions are revoked, and aiokafka lets nobody join who has not for 1,000 s."""
    group = Group(monkeypatch, holder="one")
    member, subscription = group.member, SubscriptionState()
    member._subscription, member._max_poll_interval, member._retry_backoff_ms = subscription, 1000.0, 1
    member._performed_join_prepare, member._heartbeat_task = True, None
    monkeypatch.setattr(member, "_start_heartbeat_task", lambda: None)
    subscription._last_fetch_ended -= 1001

    joined = await member.ensure_active_group(SimpleNamespace(assignment="its share"), "its last share")

    assert (joined, group.joined) == ("its share", 1)


def test_the_routers_client_is_such_a_member() -> None:
    importlib.import_module("router.faust_app.transport")
    assert consumer.GroupCoordinator is Member


@dataclass
class Clock:
    now: float = 1000.0
    suspended: float = 0.0  # for how long the machine was, in all

    def monotonic(self) -> float:
        return self.now

    def clock_gettime(self, clock: int) -> float:
        return self.now + (self.suspended if clock == time.CLOCK_BOOTTIME else 0.0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Session:
    """A member with a session of 8 s, and the broker that answers it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        monkeypatch.setattr(times, "time", self.clock)
        monkeypatch.setattr(GroupCoordinator, "_send_req", self._respond)
        self.member = Member.__new__(Member)
        self.member.member_id, self.member.generation, self.member._session_timeout_ms = "one", 3, 8000
        self.member._rejoin_needed_fut = asyncio.get_running_loop().create_future()
        self.member._subscription = self.subscription = SubscriptionState()
        self.subscription.register_fetch_waiters(set())
        loop = asyncio.get_running_loop()
        self.member._closing, self.coordinating = loop.create_future(), loop.create_future()
        self.member._coordination_task = self.coordinating
        self.member._pending_exception = self.member._error_consumed_fut = None
        self._takes_s = 0.0
        self._error: type[KafkaError] = NoError

    async def _respond(self, _: object) -> Any:
        await asyncio.sleep(0)
        self.clock.sleep(self._takes_s)
        return SimpleNamespace(error_code=self._error.errno)

    async def request(self, request: Any, error: type[KafkaError] = NoError, *, takes_s: float = 0.0) -> None:
        self._takes_s, self._error = takes_s, error
        await self.member._send_req(request)

    async def holds(self) -> "asyncio.Task[None]":
        """Have it hold what was fetched after a freeze; return the task that waits."""
        await self.request(HEARTBEAT)
        self.clock.sleep(14)
        waiting = asyncio.create_task(self.member.confirmed())
        await asyncio.sleep(0)
        assert not waiting.done()
        return waiting

    async def is_held(self) -> bool:
        """Whether what was fetched is held at this moment."""
        waiting = asyncio.create_task(self.member.confirmed())
        await asyncio.sleep(0)
        held = not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        return held


HEARTBEAT = HeartbeatRequest("router", 3, "one")
SYNC = SyncGroupRequest("router", 3, "one", None, [])


@pytest.mark.parametrize("error", [NoError, RebalanceInProgressError])
async def test_a_heartbeat_confirms_a_member_for_a_session(
    monkeypatch: pytest.MonkeyPatch, error: type[KafkaError]
) -> None:
    session = Session(monkeypatch)
    await session.request(HEARTBEAT, error, takes_s=1)

    session.clock.sleep(6.9)
    assert not await session.is_held()
    session.clock.sleep(0.1)
    assert await session.is_held()  # 8 s after the heartbeat was sent, 7 after its answer


async def test_a_machine_that_was_suspended_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    await session.request(HEARTBEAT)

    session.clock.suspended = 14

    assert await session.is_held()


async def test_what_was_sent_before_a_freeze_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    await session.request(HEARTBEAT)

    await session.request(HEARTBEAT, takes_s=14)

    assert await session.is_held()


@pytest.mark.parametrize("error", [UnknownMemberIdError, IllegalGenerationError, NotCoordinatorForGroupError])
async def test_a_refused_heartbeat_confirms_nothing(monkeypatch: pytest.MonkeyPatch, error: type[KafkaError]) -> None:
    session = Session(monkeypatch)
    await session.request(HEARTBEAT, error)

    assert await session.is_held()


async def test_who_is_held_goes_on_with_the_answer_and_is_not_idle_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    await session.request(HEARTBEAT)
    session.clock.sleep(14)

    waiting = [asyncio.create_task(session.member.confirmed()) for _ in range(2)]
    await asyncio.sleep(0)
    assert session.subscription.fetcher_idle_time == 0
    await session.request(HEARTBEAT, UnknownMemberIdError)
    assert not any(each.done() for each in waiting)
    await session.request(SYNC)

    await asyncio.gather(*waiting)


async def test_a_member_that_was_removed_is_none_until_it_has_joined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    await session.request(HEARTBEAT)

    session.member.reset_generation()  # as a refused commit does, within the session
    assert await session.is_held()
    await session.request(SYNC)

    assert not await session.is_held()


async def test_an_answer_that_comes_after_the_member_was_removed_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session(monkeypatch)

    late = asyncio.create_task(session.request(HEARTBEAT))
    await asyncio.sleep(0)
    session.member.reset_generation()
    await late

    assert await session.is_held()


@pytest.mark.parametrize("request_", [MetadataRequest([]), OffsetFetchRequest("router", [])])
async def test_other_answers_say_nothing_of_the_membership(monkeypatch: pytest.MonkeyPatch, request_: object) -> None:
    session = Session(monkeypatch)
    await session.request(request_)

    assert await session.is_held()


@pytest.mark.parametrize("when", ["while it waits", "before"])
async def test_an_error_after_which_the_client_asks_nothing_more_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """As one that a heartbeat ends with: no other would be sent, and the membership never be confirmed."""
    session = Session(monkeypatch)
    waiting = await session.holds() if when == "while it waits" else None

    pushing = asyncio.create_task(session.member._push_error_to_user(GroupAuthorizationFailedError("router")))
    await asyncio.sleep(0)

    with pytest.raises(GroupAuthorizationFailedError):
        async with asyncio.timeout(5):
            await (waiting or session.member.confirmed())
    await pushing  # the client was told that it has been raised


async def test_a_client_that_has_broken_down_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    waiting = await session.holds()

    session.coordinating.set_exception(KafkaError("unexpected"))

    with pytest.raises(KafkaError, match="unexpected"):
        async with asyncio.timeout(5):
            await waiting


async def test_a_client_that_closes_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch)
    waiting = await session.holds()

    session.member._closing.set_result(None)

    with pytest.raises(ConsumerStoppedError):
        async with asyncio.timeout(5):
            await waiting


async def test_a_freeze_while_the_routes_catch_up_holds_what_was_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ignore(_: object) -> None:
        pass

    async def fetch(*_: object) -> Any:
        return {TP("events", 0): [SimpleNamespace(value=None)]}

    async def end(*_: object) -> int:
        return 7

    async def freeze(_: int) -> None:
        session.clock.sleep(14)

    session = Session(monkeypatch)
    monkeypatch.setattr(transport, "end_of", end)
    app = faust.App("router", broker="kafka://127.0.0.1:9", store="memory://")
    runs: Any = RunTransport(["kafka://127.0.0.1:9"], app)
    runs.control, runs.routes = TP("control", 0), SimpleNamespace(wait_until=freeze)
    reader = runs.create_consumer(ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore)
    reader._thread.thread_loop.close()
    reader._thread.thread_loop = asyncio.get_running_loop()
    reader._thread._fetch_records = fetch
    reader._thread._consumer = SimpleNamespace(_max_poll_records=1, _client=None, _coordinator=session.member)
    await session.request(HEARTBEAT)

    fetching = asyncio.create_task(reader._getmany({TP("events", 0)}, 1.0))
    await asyncio.wait([fetching], timeout=0.2)
    assert not fetching.done()
    await session.request(HEARTBEAT)

    async with asyncio.timeout(5):
        assert await fetching == {TP("events", 0): []}
