"""Rate limits in bounded memory, and whose address a request comes from."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from eventstreams.http import ClientAddress
from eventstreams.http.limits import RateLimiter, too_often


def request_from(peer: str, forwarded: list[str]) -> web.Request:
    headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
    return make_mocked_request("GET", "/", headers=headers).clone(remote=peer)


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    watch = Watch()
    limiter = RateLimiter(per_s=2, burst=4, most_keys=10, clock=watch)

    burst = [limiter.take("a") for _ in range(5)]
    watch.now += 0.5

    assert burst[:4] == [0.0] * 4
    assert burst[4] == pytest.approx(0.5)
    assert limiter.take("a") == 0.0
    assert limiter.take("a") > 0.0
    assert limiter.take("b") == 0.0


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_sequence_of_waits_gets_more_through_than_burst_and_rate(waits: list[float]) -> None:
    watch = Watch()
    limiter = RateLimiter(per_s=2, burst=4, most_keys=10, clock=watch)
    passed = 0

    for wait_s in waits:
        watch.now += wait_s
        passed += limiter.take("a") == 0.0

    assert passed <= 4 + 2 * (watch.now - 100.0) + 0.01


def test_who_is_told_to_wait_gets_through_after_that_long() -> None:
    watch = Watch()
    limiter = RateLimiter(per_s=0.1, burst=3, most_keys=10, clock=watch)
    while (wait_s := limiter.take("a")) == 0.0:
        pass

    watch.now += wait_s

    assert limiter.take("a") == 0.0


def test_however_many_keys_come_memory_is_bounded_and_the_busiest_stay() -> None:
    limiter = RateLimiter(per_s=0.001, burst=1, most_keys=100, clock=Watch())

    for number in range(10_000):
        limiter.take(f"key {number}")

    assert len(limiter) == 100
    assert limiter.wait_s("key 9999") > 0
    assert limiter.wait_s("key 0") == 0


def test_the_refusal_says_when_to_come_back_in_whole_seconds() -> None:
    assert too_often("slower", wait_s=0.2).headers["Retry-After"] == "1"
    assert too_often("slower", wait_s=7.1).headers["Retry-After"] == "8"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        pytest.param([], "10.0.0.1", id="no header"),
        pytest.param(["203.0.113.9"], "203.0.113.9", id="one hop"),
        pytest.param(["198.51.100.1, 203.0.113.9"], "203.0.113.9", id="what the client made up comes first"),
        pytest.param(["203.0.113.9, 10.1.2.3"], "203.0.113.9", id="two proxies of ours"),
        pytest.param(["203.0.113.9", "10.1.2.3"], "203.0.113.9", id="in two headers"),
        pytest.param(["rubbish"], "10.0.0.1", id="no address"),
        pytest.param(["203.0.113.9, rubbish, 10.1.2.3"], "10.1.2.3", id="nothing before rubbish counts"),
        pytest.param(["::ffff:203.0.113.9"], "203.0.113.9", id="IPv4 in IPv6"),
        pytest.param(["203.0.113.9:4711"], "203.0.113.9", id="with a port"),
        pytest.param(["203.0.113.9:4711, 10.1.2.3:80"], "203.0.113.9", id="two hops with ports"),
        pytest.param(["2001:db8::1"], "2001:db8::1", id="IPv6"),
        pytest.param(["[2001:db8::1]"], "2001:db8::1", id="IPv6 in brackets"),
        pytest.param(["[2001:db8::1]:4711"], "2001:db8::1", id="IPv6 with a port"),
        pytest.param(["[::ffff:203.0.113.9]:4711"], "203.0.113.9", id="IPv4 in IPv6 with a port"),
        pytest.param(["[2001:db8::1]4711"], "10.0.0.1", id="no colon before the port"),
        pytest.param(["203.0.113.9:"], "10.0.0.1", id="no port behind the colon"),
        pytest.param([":4711"], "10.0.0.1", id="only a port"),
        pytest.param(["[203.0.113.9"], "10.0.0.1", id="half a bracket"),
        pytest.param([", ".join(["10.1.2.3"] * 500)], "10.1.2.3", id="a long list"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(forwarded: list[str], client: str) -> None:
    clients = ClientAddress([ip_network("10.0.0.0/8")])

    assert clients.of(request_from("10.0.0.1", forwarded)) == client


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_all_of_an_ipv6_network_is_one_client(peer: str, network: str) -> None:
    assert ClientAddress().network_of(request_from(peer, [])) == network


def test_who_is_no_trusted_proxy_is_not_believed() -> None:
    clients = ClientAddress([ip_network("10.0.0.0/8")])

    assert clients.of(request_from("198.51.100.7", ["203.0.113.9"])) == "198.51.100.7"
    assert ClientAddress().of(request_from("10.0.0.1", ["203.0.113.9"])) == "10.0.0.1"
