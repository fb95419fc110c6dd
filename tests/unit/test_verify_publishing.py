"""Publishing with a ledger: what a gateway says, and what it does not say, is written down as it is."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from eventstreams.errors import EventStreamsError
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from eventstreams.verify.ledger import Ledger, State
from eventstreams.verify.plan import Kind, Plan
from eventstreams.verify.publishing import Login, Publisher

PLAN = Plan.of("vf00c0ffee", 60, with_other_account=True)
US, THEM = Login("AC1", "ours"), Login("AC2", "theirs")
Answer = Callable[[int, list[str]], web.Response | None]
"""Given how often a request with these ids has come; None: the connection is broken off."""


def takes(_: int, ids: list[str]) -> web.Response:
    return web.json_response({"ids": ids}, status=202)


@dataclass
class Gateway:
    """A gateway that answers as it is told; invalid events it refuses, with their batch."""

    url: str = ""
    answer: Answer = takes
    requests: list[list[str]] = field(default_factory=list)
    users: set[str] = field(default_factory=set)

    async def take(self, request: web.Request) -> web.Response:
        events = orjson.loads(await request.read())
        ids = [event["id"] for event in events]
        self.requests.append(ids)
        self.users.add(request.headers["Authorization"])
        if any("messageSid" not in event["data"] for event in events):
            return web.json_response({"message": "Nothing was published"}, status=400)
        answer = self.answer(self.requests.count(ids), ids)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    listening = open_socket("127.0.0.1:0", setting="listen")
    made = Gateway(f"http://{address_of(listening)}")
    app = web.Application()
    app.router.add_post("/v1/Events", made.take)
    async with serve_app(app, listening):
        yield made


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, PLAN, new=True)


def publisher(gateway: Gateway, ledger: Ledger, *, give_up_s: float = 30.0) -> Publisher:
    logins = {**dict.fromkeys(Kind, US), Kind.OTHER_ACCOUNT: THEM}
    return Publisher(gateway.url, PLAN, ledger, logins, rate=1e6, give_up_s=give_up_s)


def states(ledger: Ledger, kind: Kind) -> set[State]:
    return {ledger.state_of(number) for batch in PLAN.batches() if batch.kind is kind for number in batch.numbers}


async def test_what_is_taken_is_acknowledged_and_what_is_invalid_refused(gateway: Gateway, ledger: Ledger) -> None:
    at_work = publisher(gateway, ledger)

    await at_work.run()

    assert states(ledger, Kind.ORDINARY) == {State.ACKNOWLEDGED} == states(ledger, Kind.OTHER_ACCOUNT)
    assert states(ledger, Kind.INVALID) == {State.REFUSED}
    assert (at_work.published.sent_again, at_work.published.refused, at_work.published.taken) == (0, [], [])
    assert len(gateway.users) == 2
    assert len(ledger.again()) == 0


@pytest.mark.parametrize(
    "first",
    [None, web.Response(status=503), web.Response(status=429), web.Response(status=500), web.Response(status=504)],
    ids=["reset", "503", "429", "500", "504"],
)
async def test_what_nobody_spoke_of_is_sent_again_with_the_same_ids(
    gateway: Gateway, ledger: Ledger, first: web.Response | None
) -> None:
    spoiled = PLAN.id_of(0)
    gateway.answer = lambda times, ids: (
        (None if first is None else web.Response(status=first.status))
        if spoiled in ids and times == 1
        else takes(times, ids)
    )
    at_work = publisher(gateway, ledger)

    await at_work.run()

    assert states(ledger, Kind.ORDINARY) == {State.ACKNOWLEDGED}
    assert at_work.published.sent_again == 1
    assert 0 in ledger.again()


async def test_of_a_batch_that_is_taken_in_part_the_rest_alone_is_sent_again(gateway: Gateway, tmp_path: Path) -> None:
    def answer(times: int, ids: list[str]) -> web.Response:
        if len(ids) == 1 or times > 1:
            return takes(times, ids)
        events = [{"id": each, "accepted": each == ids[0]} for each in ids]
        return web.json_response({"message": "in part", "details": {"events": events}}, status=503)

    plan = Plan("vf00c0ffee", 60, 3, with_other_account=True)
    gateway.answer = answer
    ledger = Ledger(tmp_path, plan, new=True)
    at_work = Publisher(gateway.url, plan, ledger, dict.fromkeys(Kind, US), rate=1e6, give_up_s=30)

    await at_work.run()

    assert at_work.published.acknowledged == 66  # with those of the other kinds
    assert sorted(len(ids) for ids in gateway.requests if plan.id_of(0) in ids or plan.id_of(1) in ids) == [2, 3]


async def test_what_is_never_answered_stays_unknown(gateway: Gateway, ledger: Ledger) -> None:
    gateway.answer = lambda _times, _ids: None

    await publisher(gateway, ledger, give_up_s=0.0).run()

    assert states(ledger, Kind.ORDINARY) == {State.UNKNOWN}
    assert ledger.acknowledged_at(0) == 0.0


async def test_a_refusal_of_what_is_right_and_the_taking_of_what_is_wrong_are_told(
    gateway: Gateway, ledger: Ledger
) -> None:
    gateway.answer = lambda times, ids: (
        web.json_response({"message": "no such type"}, status=400) if PLAN.id_of(0) in ids else takes(times, ids)
    )
    at_work = publisher(gateway, ledger)

    await at_work.run()

    assert at_work.published.refused == [f"{PLAN.id_of(0)}: 400: no such type"]
    assert ledger.state_of(0) is State.REFUSED


async def test_a_gateway_that_does_not_know_us_ends_the_run_with_what_it_said(gateway: Gateway, ledger: Ledger) -> None:
    gateway.answer = lambda _times, _ids: web.json_response({"message": "Authenticate"}, status=401)

    with pytest.raises(EventStreamsError, match="401: Authenticate"):
        await publisher(gateway, ledger).run()
