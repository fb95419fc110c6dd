"""Keeps deliveries out of the inside of the network: judges each resolved address at the moment of connecting.

A name can resolve to something else between a check and a connection, so there is no check of names or URLs:
the only question asked is "may a socket be opened to this address?".
"""

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
from typing import Final

Network = IPv4Network | IPv6Network

# Not global, yet not flagged by ``is_global`` on every Python: RFC 6598 (carrier NAT), RFC 2544 (benchmarks),
# and the IPv6 ranges below that carry an IPv4 address inside.
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_FORBIDDEN: Final = tuple(
    ip_network(text) for text in ("100.64.0.0/10", "198.18.0.0/15", "192.88.99.0/24", "fec0::/10", "::/96")
)


class DestinationForbiddenError(OSError):
    """The address is private, local or otherwise not a place for deliveries. ``str()`` names it."""


@dataclass(frozen=True, slots=True)
class DestinationGuard:
    """Which addresses may be connected to: every global one, and those of ``allowed``."""

    allowed: Sequence[Network] = ()

    def check(self, address: str) -> None:
        """Return if a socket may be opened to ``address``, an IP address in the resolver's spelling.

        Raises:
            DestinationForbiddenError: it may not.
        """
        ip = ip_address(address.partition("%")[0])  # a scope such as fe80::1%eth0 changes nothing
        if any(ip in network for network in self.allowed) or all(map(_is_public, _meanings(ip))):
            return
        raise DestinationForbiddenError(
            f"{address} is not a public address, and EVENTSTREAMS_ALLOWED_DESTINATIONS lacks it"
        )


def _meanings(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """``ip`` and every IPv4 address that is written inside it: mapped, 6to4, Teredo, NAT64."""
    found: list[IPv4Address | IPv6Address] = [ip]
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return [ip.ipv4_mapped]
        if ip.sixtofour:
            found.append(ip.sixtofour)
        if ip.teredo:
            found += ip.teredo
        if any(ip in network for network in _NAT64):
            return [IPv4Address(int(ip) & 0xFFFF_FFFF)]
    return found


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _FORBIDDEN)
