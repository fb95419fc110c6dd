"""The address that a request comes from, looking through trusted proxies. Pure."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import web

FORWARDED_FOR: Final = "X-Forwarded-For"
_MOST_HOPS: Final = 20  # examined, starting with the last: a client can send as many as it likes

_WITH_PORT: Final = re.compile(r"(?:\[([^\]]*)\]|([^:\[]*))(?::\d{1,5})?", re.ASCII)

Network = IPv4Network | IPv6Network


class ClientAddress:
    """Finds the client's address: the last hop that is not a trusted proxy, as each proxy appends its own client."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, request: web.Request) -> str:
        """The client's address in its shortest form; empty if the transport has none (a Unix socket)."""
        found = self._find(request)
        return "" if found is None else str(found)

    def network_of(self, request: web.Request) -> str:
        """The client's address or, for IPv6, its /64: whoever has one address of a /64 has them all."""
        found = self._find(request)
        return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else self.of(request)

    def _find(self, request: web.Request) -> IPv4Address | IPv6Address | None:
        found = _parse(request.remote or "")
        if found is None or not self._is_trusted(found):
            return found
        hops = ",".join(request.headers.getall(FORWARDED_FOR, [])).rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]
        for hop in reversed(hops):
            address = _parse(hop.strip())
            if address is None:
                break  # what comes before it was not written by anybody we trust
            found = address
            if not self._is_trusted(address):
                break
        return found

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address in ``text``; some proxies append a port, and then put an IPv6 address in brackets."""
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((text if found is None else found[1] or found[2]).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
