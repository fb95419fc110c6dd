"""Keeps deliveries out of the internal network (SSRF): checks each resolved address at the moment of connecting.

A name can resolve differently between a check and a connection, so names and URLs are not checked at all: the only
question is "may a socket be opened to this address?".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import ClassVar, Final

Network = IPv4Network | IPv6Network

# All IPv6 routed on the Internet so far (IANA). What is outside includes translated IPv4 (::ffff:0:0:0/96).
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# IPv6 with an IPv4 address in its last 32 bits (RFC 6052). In the local-use prefix 64:ff9b:1::/48 each network chooses
# where the IPv4 address is (RFC 8215), so that prefix is forbidden unless an operator allows it as such.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)  # these precede an IPv4 address in the last 32 bits (RFC 5214)
# Special-purpose ranges that ``is_global`` permits in some supported Python: carrier NAT (RFC 6598), protocol
# assignments (RFC 6890, 2928), benchmarks (RFC 2544), 6to4 relays (RFC 7526), IPv6 documentation (RFC 9637). And the
# public address at which every machine in Azure reaches its host, which hands settings and certificates to any caller
# (learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
_FORBIDDEN: Final = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",
            "168.63.129.16/32",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "2001::/23",
            "3fff::/20",
        ),
    )
)


_log = logging.getLogger(__name__)


class DestinationForbiddenError(OSError):
    """The address is private, local or otherwise forbidden. ``strerror`` is text for the subscriber.

    ``errno`` is ``ERRNO``, by which it can be recognized if a client library merges several errors into one. It is the
    reference's code for this, and no system's errno: EPERM would also come from firewalls, and is a number that
    OpenSSL's errors have too.
    """

    ERRNO: ClassVar[int] = 91307


@dataclass(frozen=True, slots=True)
class DestinationGuard:
    """Decides which addresses may be connected to: every global one, and those in ``allowed``."""

    allowed: Sequence[Network] = ()

    def check(self, address: str, *, host: str = "") -> None:
        """Return if a socket may be opened to ``address``, an IP address in the resolver's spelling.

        Args:
            address: The resolved address.
            host: The configured host that it belongs to. If that is itself an address, the error names it. If it is a
                name, or unknown, only the log says what it resolves to, since internal names resolve too.

        Raises:
            DestinationForbiddenError: it may not.
        """
        ip = ip_address(address.partition("%")[0])  # a scope such as fe80::1%eth0 changes nothing
        if all(_is_public(meant) or self._is_allowed(meant) for meant in _meanings(ip)):
            return
        is_given = is_address(host)
        if not is_given:
            _log.warning("not connected to %s, the address of %s: it is not public", address, host or "a destination")
        words = (
            f"{host if is_given else 'its address'} is not public, and EVENTSTREAMS_ALLOWED_DESTINATIONS does "
            "not allow it"
        )
        raise DestinationForbiddenError(DestinationForbiddenError.ERRNO, words)

    def _is_allowed(self, ip: IPv4Address | IPv6Address) -> bool:
        return any(ip in network for network in self.allowed)


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address, rather than a name to resolve."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _meanings(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Every address at which a packet for ``ip`` may end: itself, or one embedded in it (6to4, NAT64 …)."""
    found: list[IPv4Address | IPv6Address] = [ip]
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return [ip.ipv4_mapped]
        if ip.sixtofour:
            found.append(ip.sixtofour)
        if ip.teredo:
            found += ip.teredo
        low = IPv4Address(int(ip) & 0xFFFF_FFFF)
        if ip in _NAT64:
            return [low]
        if int(ip) >> 32 & 0xFFFF_FFFF in _ISATAP:
            found.append(low)
    return found


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address):
        if ip not in _GLOBAL_UNICAST:
            return False
        if ip.sixtofour:  # ``is_global`` only in some supported Python; the embedded address is checked as well
            return True
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _FORBIDDEN)
