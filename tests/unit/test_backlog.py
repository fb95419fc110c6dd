"""What waits at a sink: asked for once by many, and known for some seconds."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import pytest
from typing_extensions import override

from control_api.http.fair_semaphore import FairSemaphore
from control_api.plane import ControlPlane
from control_api.redrive.service import RedriveService
from control_api.sinks import backlog
from control_api.sinks.backlog import Backlogs, Waiting
from eventstreams.control.records import SinkRecord, SinkStatus, Subscription
from eventstreams.errors import TopicError

SINK = SinkRecord(
    sid="DG1",
    account_sid="AC1",
    description="",
    sink_type="webhook",
    configuration="",
    status=SinkStatus.ACTIVE,
    created_ms=1,
    updated_ms=1,
)


class FakeService:
    reading = FairSemaphore(most=1, of_one=1)


class Counting(Backlogs):
    """Asks nobody, and counts how often it would have."""

    def __init__(self) -> None:
        self.now, self.asked, self.broken = 100.0, 0, False
        super().__init__(cast(ControlPlane, None), cast(RedriveService, FakeService()), clock=lambda: self.now)

    @override
    async def _ask(self, subscriptions: Sequence[Subscription]) -> Mapping[str, Waiting]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.broken:
            raise TopicError("no broker answers")
        return {each.sid: Waiting(self.asked, None) for each in subscriptions}


def subscription(sid: str) -> Subscription:
    return Subscription(
        sid=sid,
        account_sid="AC1",
        sink_sid="DG1",
        sink_type="webhook",
        description="",
        types=(),
        created_ms=1,
        updated_ms=1,
    )


async def test_many_who_ask_at_once_or_within_seconds_cost_one_look() -> None:
    backlogs, wanted = Counting(), [subscription("DF1")]

    at_once = await asyncio.gather(*(backlogs.of(SINK, wanted) for _ in range(20)))
    backlogs.now += 4.9
    soon = await backlogs.of(SINK, wanted)
    backlogs.now += 0.2
    later = await backlogs.of(SINK, wanted)

    assert [each["DF1"].events for each in (*at_once, soon, later)] == [1] * 21 + [2]


async def test_a_subscription_that_is_new_is_asked_for_at_once() -> None:
    backlogs = Counting()
    await backlogs.of(SINK, [subscription("DF1")])

    found = await backlogs.of(SINK, [subscription("DF1"), subscription("DF2")])

    assert found == {"DF1": Waiting(2, None), "DF2": Waiting(2, None)}


async def test_what_kafka_did_not_say_is_asked_again() -> None:
    backlogs = Counting()
    backlogs.broken = True
    with pytest.raises(TopicError):
        await backlogs.of(SINK, [subscription("DF1")])
    backlogs.broken = False

    assert (await backlogs.of(SINK, [subscription("DF1")]))["DF1"].events == 2


async def test_those_who_wait_for_a_look_that_fails_do_not_look_one_after_the_other() -> None:
    backlogs = Counting()
    backlogs.broken = True

    found = await asyncio.gather(*(backlogs.of(SINK, [subscription("DF1")]) for _ in range(20)), return_exceptions=True)

    assert [str(each) for each in found] == ["no broker answers"] * 20
    assert backlogs.asked == 1


async def test_no_more_sinks_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_MOST_KEPT", 2)
    backlogs = Counting()
    for number in range(10):
        await backlogs.of(replace(SINK, sid=f"DG{number}"), [])

    assert len(backlogs._known) == 2
