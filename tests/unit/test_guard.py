"""The destination guard: which addresses a delivery may connect to."""

import logging
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.sinks import DestinationForbiddenError, DestinationGuard

FORBIDDEN = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "198.18.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "192.88.99.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1:7f00:0:100:101:101",
    "2a00:1450::5efe:10.0.0.1",
    "2a00:1450::200:5efe:127.0.0.1",
    "4000::1",
    "5f00::1",
    "fd20:ce::254",
    "169.254.170.2",
    "168.63.129.16",
    "::ffff:168.63.129.16",
    "64:ff9b::a83f:8110",
]
PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "168.63.129.17",
    "2606:4700:4700::1111",
    "64:ff9b::101:101",
    "2002:101:101::1",
    "2a00:1450::1",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DestinationForbiddenError) as caught:
        DestinationGuard().check(address, host=address)

    assert address in str(caught.value)
    assert "EVENTSTREAMS_ALLOWED_DESTINATIONS" in str(caught.value)
    assert caplog.text == ""


@pytest.mark.parametrize("host", ["vault.internal", "127.1", ""])
def test_what_a_name_leads_to_the_log_says_and_the_error_does_not(host: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with pytest.raises(DestinationForbiddenError) as caught:
        DestinationGuard().check("10.1.2.3", host=host)

    assert "its address is not public" in str(caught.value)
    assert "10.1.2.3" not in str(caught.value)
    assert f"not connected to 10.1.2.3, the address of {host or 'a destination'}" in caplog.text


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_passes(address: str) -> None:
    DestinationGuard().check(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_an_allowed_network_passes_in_every_spelling(address: str) -> None:
    DestinationGuard((ip_network("127.0.0.0/8"),)).check(address)


def test_an_allowed_network_allows_no_other() -> None:
    guard = DestinationGuard((ip_network("127.0.0.0/8"),))

    with pytest.raises(DestinationForbiddenError):
        guard.check("10.0.0.1")


def test_a_network_that_is_allowed_as_it_stands_may_be_one_that_carries_others() -> None:
    DestinationGuard((ip_network("64:ff9b:1::/48"),)).check("64:ff9b:1::a00:1")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_however_ipv6_carries_it(address: IPv4Address) -> None:
    carriers = ("::ffff:0:0", "64:ff9b::")

    carried = {may_be(IPv6Address(int(IPv6Address(carrier)) | int(address))) for carrier in carriers}

    assert carried == {may_be(address)}


def may_be(address: IPv4Address | IPv6Address) -> bool:
    try:
        DestinationGuard().check(str(address))
    except DestinationForbiddenError:
        return False
    return True
