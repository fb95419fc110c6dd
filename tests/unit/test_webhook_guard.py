"""No way in: whatever a destination is called and whatever its name resolves to, the inside is never connected to."""

import logging
import socket
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import ValidationError
from typing_extensions import override

from eventstreams.sinks import Delivered, DestinationGuard, RetryLater, RetryReason
from eventstreams.testing.receiver import Receiver
from sink_workers.plugins.webhook.config import WebhookConfig
from tests.support.webhooks import deliver, event

NOBODY = DestinationGuard()
ONE = DestinationGuard((ip_network("127.0.0.1/32"),))


class Resolver(AbstractResolver):
    """Answers each question for a name with the next of its answers, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    @override
    async def close(self) -> None:
        """Nothing to close."""


def named(url: str) -> str:
    return url.replace("127.0.0.1", "hooks.example.com")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.251",
        "255.255.255.255",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
async def test_a_name_for_an_inner_address_gets_no_connection_and_is_not_looked_up_for_anybody(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with Receiver() as receiver:
        (outcome,) = await deliver(named(receiver.url), guard=NOBODY, resolver=Resolver([address]))

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert "its address is not public" in outcome.detail
    assert address not in outcome.detail
    assert f"not connected to {address}, the address of hooks.example.com: " in caplog.text
    assert receiver.received == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "0.0.0.0"]
)
async def test_an_inner_address_in_the_url_gets_no_connection(host: str) -> None:
    async with Receiver() as receiver:
        (outcome,) = await deliver(receiver.url.replace("127.0.0.1", host), guard=NOBODY)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert receiver.received == []


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "127.0.0.01",
        "0",
        "1.0x",
        "%31%32%37.0.0.1",
        "127.0.0.1%00.example.com",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "[::1%lo]",
        "[fe80::1%25eth0]",
        "a..b",
        ".example.com",
        "a" * 64 + ".example.com",
        "a b.example.com",
    ],
)
async def test_a_number_in_disguise_is_refused_or_gets_no_connection(host: str) -> None:
    try:
        config = WebhookConfig(destination=f"http://{host}:80/")
    except ValidationError:
        return
    (outcome,) = await deliver(config.destination, guard=NOBODY)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN


async def test_the_address_that_is_connected_to_is_the_one_that_was_checked() -> None:
    changing = Resolver(["127.0.0.1"], ["127.0.0.2"])
    async with Receiver() as receiver:
        first = await deliver(named(receiver.url), guard=ONE, resolver=changing)
        asked_for_the_first = changing.asked
        (second,) = await deliver(named(receiver.url), guard=ONE, resolver=changing)

    assert first == [Delivered()]
    assert asked_for_the_first == 1
    assert isinstance(second, RetryLater)
    assert second.reason is RetryReason.DESTINATION_FORBIDDEN
    assert len(receiver.received) == 1


async def test_each_new_connection_is_checked_also_where_the_name_is_remembered() -> None:
    checked: list[str] = []

    class Recording(DestinationGuard):
        @override
        def check(self, address: str, *, host: str = "") -> None:
            checked.append(address)

    resolver = Resolver(["127.0.0.1"])
    close = lambda _: web.Response(headers={"Connection": "close"})  # noqa: E731
    async with Receiver(close) as receiver:
        await deliver(named(receiver.url), guard=Recording(), resolver=resolver, batches=[[event(1)], [event(2)]])

    assert resolver.asked == 1
    assert checked == ["127.0.0.1"] * 2


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["::1", "169.254.169.254", "127.0.0.1"]],
    ids=["the first is inside", "the last is inside", "of both families"],
)
async def test_of_several_addresses_only_those_that_may_be_are_connected_to(addresses: list[str]) -> None:
    async with Receiver() as receiver:
        outcomes = await deliver(named(receiver.url), guard=ONE, resolver=Resolver(addresses))

    assert outcomes == [Delivered()]


async def test_where_no_address_may_be_connected_to_that_is_the_reason() -> None:
    inside = Resolver(["10.0.0.1", "::1", "192.168.0.1"])
    (outcome,) = await deliver("http://hooks.example.com/", guard=NOBODY, resolver=inside)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN


async def test_where_the_only_good_address_refuses_the_others_are_no_way_out() -> None:
    async with Receiver() as receiver:
        url = named(receiver.url)
    (outcome,) = await deliver(url, guard=ONE, resolver=Resolver(["10.0.0.1", "127.0.0.1"]))

    assert outcome == RetryLater(RetryReason.CONNECT_FAILED, "no connection: connection refused")


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login root password hunter2\n")
    netrc.chmod(0o600)
    async with Receiver() as proxy, Receiver() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NETRC", str(netrc))
        outcomes = await deliver(receiver.url)

    assert outcomes == [Delivered()]
    assert proxy.received == []
    assert "Authorization" not in receiver.received[0].headers


async def test_a_redirect_to_the_inside_is_not_followed() -> None:
    inside = lambda _: web.Response(status=307, headers={"Location": "http://169.254.169.254/latest/meta-data/"})  # noqa: E731
    async with Receiver(inside) as receiver:
        (outcome,) = await deliver(receiver.url)

    assert outcome == RetryLater(RetryReason.REDIRECTED, "HTTP 307: redirects are not followed", None, 307)


@pytest.mark.parametrize("host", ["bücher.example", "BÜCHER.example"])
def test_an_international_host_is_refused_with_its_ascii_form(host: str) -> None:
    with pytest.raises(ValidationError, match=r"xn--bcher-kva\.example"):
        WebhookConfig(destination=f"https://{host}/x")


def test_the_ascii_form_of_a_host_that_is_too_long_to_be_one_is_not_worked_out() -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig(destination=f"https://{'ü.' * 130}example/")

    assert caught.value.errors()[0]["msg"].endswith("its host must be in the ASCII form of international names")
