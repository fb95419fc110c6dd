"""What the API and the gateway answered, counted under few names."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from eventstreams.control.age import telling_age
from eventstreams.http import metered
from eventstreams.telemetry.metrics import Metrics


async def answered(metrics: Metrics, method: str, *, path: str = "/v1/Sinks", status: int = 200) -> web.StreamResponse:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    return await metered("api", metrics)(make_mocked_request(method, path), handler)


def count(metrics: Metrics, method: str, status: str) -> float | None:
    labels = {"server": "api", "method": method, "status": status}
    return metrics.registry.get_sample_value("eventstreams_http_requests_total", labels)


async def test_an_answer_is_counted_by_its_method_and_status() -> None:
    metrics = Metrics()

    await answered(metrics, "POST", status=429)

    assert count(metrics, "POST", "429") == 1
    assert metrics.registry.get_sample_value("eventstreams_http_request_seconds_count", {"server": "api"}) == 1


async def test_methods_that_a_client_made_up_share_one_name() -> None:
    metrics = Metrics()

    for method in ("BREW", "WHEN"):
        await answered(metrics, method, status=405)

    assert count(metrics, "other", "405") == 2


async def test_a_probe_of_a_process_that_is_not_ready_is_no_failure() -> None:
    metrics = Metrics()

    await answered(metrics, "GET", path="/readyz", status=503)

    assert count(metrics, "GET", "503") is None


async def test_a_client_that_went_away_is_counted_as_that() -> None:
    metrics = Metrics()

    async def handler(_: web.Request) -> web.StreamResponse:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await metered("api", metrics)(make_mocked_request("GET", "/v1/Sinks"), handler)

    assert count(metrics, "GET", "abandoned") == 1


class Feed:
    """A control topic of which nobody answers once the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()

    async def catch_up(self) -> None:
        self.asked += 1
        await self.answers.wait()


async def test_the_age_of_the_control_topic_counts_from_when_it_was_asked_last() -> None:
    metrics, feed, now = Metrics(), Feed(), [100.0]

    def age() -> float | None:
        return metrics.registry.get_sample_value("eventstreams_control_age_seconds")

    async with telling_age(feed, metrics, clock=lambda: now[0], every_s=0.0):
        while not feed.asked:
            await asyncio.sleep(0)
        now[0] = 160.0
        assert age() == 60.0  # it does not answer

        feed.answers.set()
        while feed.asked < 3:
            await asyncio.sleep(0)

    assert age() == 0.0
