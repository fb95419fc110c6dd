"""Checks hosts that subscribers give. Only unambiguous spellings are allowed, so that the host shown is the host used.

Whether an address may be connected to is not checked here: that is decided when the name is resolved.
"""

import re
from ipaddress import ip_address
from typing import Final

from yarl import URL

MAX_HOST: Final = 253  # characters of a name: RFC 1035
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
# With such a last label, many resolvers regard a host as an IPv4 address: 127.1, 2130706433, 0x7f.1
_NUMBER: Final = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
_SERVER: Final = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})", re.ASCII)
_MAX_PORT: Final = 65535
_PORT: Final = re.compile(r"[^:]*(?::[0-9]*)?|\[[^\]]*\](?::[0-9]*)?")  # after the user: yarl accepts +80 and 8_0, too


def url_of(text: str) -> URL:
    """Parse ``text`` as a URL, leaving its spelling as it is. Raises only ``ValueError``, if it is not a URL."""
    try:
        return URL(text, encoded=True)
    except IndexError:  # raised by yarl for brackets before an @ with nothing after it
        raise ValueError("it is not a URL") from None


def check_host(host: str) -> None:
    """Check that ``host`` is a name or an IP address; IPv6 without brackets.

    Raises:
        ValueError: it is neither; with a sentence for the subscriber.
    """
    if _is_ip(host):
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(
            "its host is not a valid name: use labels of 1 to 63 letters, digits, - and _, separated by dots"
        )
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("its host is numeric, but not an IP address such as a.b.c.d or [a:b::c]")


def host_and_port(server: str) -> tuple[str, int]:
    """Split ``host:port``. An IPv6 address must be in brackets, which are removed from the host.

    Raises:
        ValueError: it has another form; with a sentence for the subscriber.
    """
    found = _SERVER.fullmatch(server)
    if found is None or not 1 <= int(found[2]) <= _MAX_PORT:
        raise ValueError("it must be host:port, or several separated by commas, such as kafka.example.com:9093")
    host = found[1].strip("[]")
    check_host(host)
    return host, int(found[2])


def check_authority(url: URL) -> None:
    """Check that ``url`` has a valid host, and its port, if any, is a valid one. Raises like ``check_host``."""
    check_host(url.raw_host or "")
    if not _PORT.fullmatch(url.raw_authority.rpartition("@")[2]):
        raise ValueError("its port must be a number")
    if url.port == 0:  # which no connection can be made to
        raise ValueError(f"its port must be from 1 to {_MAX_PORT}")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone means one machine's own network
