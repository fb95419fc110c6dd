"""Hosts that subscribers give: names and addresses in their one spelling, so that what is shown is where it goes.

Whether an address may be connected to is not asked here: that is known when the name is resolved.
"""

import re
from ipaddress import ip_address
from typing import Final

from yarl import URL

MAX_HOST: Final = 253  # of a name: RFC 1035, as text
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
# A last label like these makes a host an IPv4 address in disguise for many resolvers: 127.1, 2130706433, 0x7f.1
_NUMBER: Final = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
_SERVER: Final = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})", re.ASCII)
_MAX_PORT: Final = 65535
_PORT: Final = re.compile(r"[^:]*(?::[0-9]*)?|\[[^\]]*\](?::[0-9]*)?")  # behind the user: yarl takes +80 and 8_0, too


def url_of(text: str) -> URL:
    """The URL that ``text`` is, spelled as it is. Raises ``ValueError`` where it is none, and nothing else."""
    try:
        return URL(text, encoded=True)
    except IndexError:  # of yarl, where there are brackets before an @ and nothing behind it
        raise ValueError("it is not a URL") from None


def check_host(host: str) -> None:
    """Return if ``host`` is a name or an IP address, an IPv6 address without brackets.

    Raises:
        ValueError: it is not; with a sentence for the subscriber.
    """
    if _is_ip(host):
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("its host is no name: labels of 1 to 63 letters, digits, - and _, with dots between")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("its host is a number, but no IP address as a.b.c.d or [a:b::c]")


def host_and_port(server: str) -> tuple[str, int]:
    """Of ``host:port``, an IPv6 address in brackets, which the host that is returned is without.

    Raises:
        ValueError: it is not; with a sentence for the subscriber.
    """
    found = _SERVER.fullmatch(server)
    if found is None or not 1 <= int(found[2]) <= _MAX_PORT:
        raise ValueError("it must be host:port, or several with commas between them: kafka.example.com:9093")
    host = found[1].strip("[]")
    check_host(host)
    return host, int(found[2])


def check_authority(url: URL) -> None:
    """Return if ``url`` has a host, and its port, if there is one, is digits. Raises as ``check_host``."""
    check_host(url.raw_host or "")
    if not _PORT.fullmatch(url.raw_authority.rpartition("@")[2]):
        raise ValueError("its port must be digits")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone is of one machine's own network
