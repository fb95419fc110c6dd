"""Where a request comes from, past the proxies that we were told to trust. Pure."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import web

FORWARDED_FOR: Final = "X-Forwarded-For"
_MOST_HOPS: Final = 20  # looked at, from the last one on: a client can send as many as it likes

_WITH_PORT: Final = re.compile(r"(?:\[([^\]]*)\]|([^:\[]*))(?::\d{1,5})?", re.ASCII)

Network = IPv4Network | IPv6Network


class ClientAddress:
    """Tells the client's address: the last one that no trusted proxy has, as each proxy adds whom it was asked by."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, request: web.Request) -> str:
        """The address, in its shortest form; empty where the transport has none (a Unix socket)."""
        found = self._find(request)
        return "" if found is None else str(found)

    def network_of(self, request: web.Request) -> str:
        """The same, or the /64 that an IPv6 address is in: whoever has one of those has all of them."""
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
                break  # what stands before it was not written by anybody we trust
            found = address
            if not self._is_trusted(address):
                break
        return found

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address in ``text``; some proxies write a port behind it, and an IPv6 address then in brackets."""
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((text if found is None else found[1] or found[2]).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
