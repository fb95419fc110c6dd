"""``eventstreams verify --rolling``: who is replaced, who is called meanwhile, what is refused on the command line."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from click.testing import CliRunner

from eventstreams.process.listen import address_of, open_socket
from eventstreams.verify.calling import Caller, Calls
from eventstreams.verify.cli import verify
from eventstreams.verify.publishing import Login
from eventstreams.verify.rollout.fleet import Replaced, Service
from eventstreams.verify.rollout.nemesis import Rollout

SID = "AC" + "0" * 32


@dataclass(frozen=True)
class Copy:
    name: str


@dataclass
class Fleet:
    """Whose copies are replaced at once; ``seen``: which there were after each."""

    copies: list[Copy] = field(default_factory=lambda: [Copy("api-1"), Copy("api-2"), Copy("router-1")])
    seen: list[list[str]] = field(default_factory=list)

    async def replace(self, copy: Copy) -> Replaced:
        await asyncio.sleep(0)
        self.copies = [each for each in self.copies if each != copy] + [Copy(f"{copy.name}-new")]
        self.seen.append([each.name for each in self.copies])
        return Replaced(f"{copy.name}-new", ready_s=1.04, ended_s=0.46)


async def test_each_that_there_was_is_replaced_once_one_after_another() -> None:
    fleet, stop = Fleet(), asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)

    done = await Rollout(fleet, say=lambda _: None).run(stop)

    assert [each.target for each in done] == ["api-1", "api-2", "router-1"]
    assert fleet.seen[-1] == ["api-1-new", "api-2-new", "router-1-new"]
    assert done[0].detail == "api-1-new ready after 1.0 s, then SIGTERM: ended after 0.5 s"


@pytest.mark.parametrize(("stopped", "told"), [(True, True), (False, False)])
async def test_a_load_that_ended_before_the_last_was_replaced_is_told(*, stopped: bool, told: bool) -> None:
    said: list[str] = []
    stop = asyncio.Event()
    if stopped:
        stop.set()

    def say(what: str) -> None:
        said.append(what)
        if len(said) == len(Fleet().copies):
            asyncio.get_running_loop().call_soon(stop.set)

    await Rollout(Fleet(), say=say).run(stop)

    assert any("--events" in each for each in said) is told


def test_a_service_goes_by_turns_and_never_to_who_was_left_out() -> None:
    service = Service()
    assert service.next() is None
    for port in (1, 2, 3):
        service.include(port)

    assert {service.next() for _ in range(3)} == {1, 2, 3}
    service.leave_out(2)
    assert {service.next() for _ in range(6)} == {1, 3}


class Api:
    """Answers as the API does; the first so many requests by 503."""

    def __init__(self, failing: int) -> None:
        self.failing = failing
        self.sinks: set[str] = set()
        self.asked: list[str] = []
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if self.failing:
            self.failing -= 1
            return web.json_response({"message": "not now"}, status=503)
        if request.method == "DELETE":
            self.sinks.clear()
            return web.Response(status=204)
        if request.method == "POST" and request.path == "/v1/Sinks":
            self.sinks.add("DG1")
        return web.json_response({"sid": "DG1"})


async def called(api: Api, *, enough: int) -> Calls:
    """What came of calls, ended once the API was asked so often."""
    listening, stop = open_socket("127.0.0.1:0", setting="test"), asyncio.Event()

    @web.middleware
    async def count(request: web.Request, handler: object) -> web.StreamResponse:
        if len(api.asked) >= enough:
            stop.set()
        answer = await api.answer(request)
        assert answer is not None
        return answer

    api.app.middlewares.append(count)
    runner = web.AppRunner(api.app)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    try:
        caller = Caller(f"http://{address_of(listening)}", Login(SID, "token"), rate=1000)
        return await caller.run(stop)
    finally:
        await runner.cleanup()


async def test_the_api_is_read_and_written_and_nothing_is_left_behind() -> None:
    api = Api(failing=0)

    calls = await called(api, enough=9)

    assert calls.failed == calls.sent_again == 0
    assert calls.made == len(api.asked) == 12  # the round that had begun is gone through
    assert {each.split()[0] for each in api.asked} == {"GET", "POST", "DELETE"}
    assert api.sinks == set()


async def test_a_call_that_is_sent_again_and_succeeds_has_not_failed() -> None:
    calls = await called(Api(failing=2), enough=4)

    assert (calls.failed, calls.sent_again) == (0, 2)


async def test_a_call_that_fails_all_the_same_is_counted_and_told() -> None:
    calls = await called(Api(failing=4), enough=4)

    assert calls.failed == 1
    assert calls.failures == ["list sinks: not now"]
    assert calls.slowest_s > 0


@pytest.mark.parametrize("arguments", [("--rolling",), ("--up", "--rolling", "--faults", "kill")])
def test_what_is_replaced_is_a_cluster_of_its_own_without_other_faults(arguments: Sequence[str]) -> None:
    done = CliRunner().invoke(verify, arguments)

    assert done.exit_code == 2
    assert "--rolling requires --up and excludes --faults" in done.output
