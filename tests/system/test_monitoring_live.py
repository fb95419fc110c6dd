"""A real Prometheus scrapes the whole system under load: every query of every dashboard has an answer, and every series
that an alert looks at is there, but for those that are named here with their reason.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from itertools import cycle
from typing import Any, Final

import aiohttp
import orjson
import pytest
from twilio.rest import Client

from eventstreams.testing.receiver import Received, Receiver
from sink_workers.notices.notice import ERROR_LOGGED
from tests.support.api import call
from tests.support.prometheus import INSTALLATION, Prometheus, dashboard_queries, rules, running_prometheus, selectors
from tests.support.up import TOKEN, Up, clean_environ, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SENT: Final = "com.twilio.messaging.message.sent"
ANSWERED_S: Final = 120.0  # two surveys, of which there is one in 15 s, on a machine that is busy

# What a healthy system of one process a role may have nothing of.
EMPTY_QUERIES: Final = {
    "Writes forwarded to the primary, per second": "there is one API process",
}
EMPTY_SELECTORS: Final = {
    'eventstreams_delivery_attempts_total{reason=~"plugin_.*"}': "plugins have no bugs here",
    'eventstreams_refused_events_total{reason!="invalid"}': "Kafka takes what is published",
    'eventstreams_http_requests_total{status=~"5.."}': "nothing is answered with 5xx",
}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("up") / "data", env={"EVENTSTREAMS_RETRY_DELAYS": "1s,5s"}) as up:
        yield up


@pytest.fixture(scope="module")
def prometheus(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    admin = up.about["admin"]
    running = {role: address for role, address in admin.items() if role in up.about["pids"]}
    with running_prometheus(tmp_path_factory.mktemp("prometheus") / "data", running) as prometheus:
        yield prometheus


STATUSES: Final = cycle((503, 200))
ANSWERS: Final[Mapping[str, Callable[[Received], int]]] = {
    "takes everything": lambda _: 200,
    "fails now and then": lambda _: next(STATUSES),
    "fails": lambda _: 500,
    "refuses": lambda _: 400,
}


async def post(up: Up, path: str, *, server: str = "api", **request: Any) -> int:
    auth = {"Authorization": aiohttp.encode_basic_auth(up.about["account_sid"], TOKEN)}
    async with (
        aiohttp.ClientSession(up.about[server], headers=auth) as session,
        session.post(path, **request) as answer,
    ):
        return answer.status


async def subscribed(client: Client, url: str, *types: str) -> str:
    events = client.events.v1
    sink = await call(lambda: events.sinks.create("of the test", {"destination": url}, "webhook"))
    wanted: list[object] = [{"type": each} for each in types]
    made = await call(lambda: events.subscriptions.create("of the test", sink.sid, wanted))
    return str(made.sid)


@contextmanager
def simulating(up: Up) -> Iterator[None]:
    """40 events a second meanwhile."""
    process = subprocess.Popen(
        [
            sys.executable,
            *("-m", "eventstreams", "simulate", "--account", up.about["account_sid"]),
            *("--products", "messaging", "--rate", "40"),
        ],
        env=clean_environ() | {"EVENTSTREAMS_KAFKA": up.about["kafka"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(90)


async def load(up: Up, stack: AsyncExitStack) -> str:
    """Sinks of every temper, a filter, an event that is refused; the SID of a subscription of a sink that fails."""
    subscriptions = {}
    for temper, answer in ANSWERS.items():
        receiver = await stack.enter_async_context(Receiver(answer))
        types = (SENT, ERROR_LOGGED) if temper == "takes everything" else (SENT,)
        subscriptions[temper] = await subscribed(up.client(), receiver.url, *types)
    filtered = {"Filter": "data.messageSid != 'none'"}
    assert await post(up, f"/v1/Subscriptions/{subscriptions['refuses']}/Delivery", data=filtered) == 200
    stack.enter_context(simulating(up))
    wrong = {"data": orjson.dumps({"type": SENT}), "headers": {"Content-Type": "application/cloudevents+json"}}
    assert await post(up, "/v1/Events", server="gateway", **wrong) == 400
    return subscriptions["fails"]


def queries(subscription_sid: str) -> dict[str, str]:
    variables = {
        "__rate_interval": "30s",
        "installation": INSTALLATION,
        "sink_type": "webhook",
        "subscription": subscription_sid,
    }
    return {
        f"{dashboard}: {title}: {expr}": expr
        for dashboard, title, expr in dashboard_queries(**variables)
        if title not in EMPTY_QUERIES
    }


def alerted_on() -> dict[str, str]:
    return {
        f"{rule['alert']}: {selector}": selector
        for rule in rules()
        if "alert" in rule
        for selector in selectors(rule["expr"])
        if selector not in EMPTY_SELECTORS
    }


async def test_every_query_has_an_answer_and_every_alert_something_to_look_at(up: Up, prometheus: Prometheus) -> None:
    async with AsyncExitStack() as stack:
        failing = await load(up, stack)
        unanswered = queries(failing) | alerted_on() | {"build": "count(eventstreams_build_info) == 4"}
        deadline = time.monotonic() + ANSWERED_S
        while unanswered and time.monotonic() < deadline:
            await post(up, "/v1/Redrives", data={"Reason": "refused", "Rate": "50"})
            for what, expr in list(unanswered.items()):
                if await call(partial(prometheus.query, expr)):
                    del unanswered[what]
            await asyncio.sleep(0.5)

    assert not unanswered


def test_every_alert_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    for rule in rules():
        prometheus.query(rule["expr"])
    assert prometheus.value("sum(prometheus_rule_evaluation_failures_total)") in {None, 0.0}
