"""A DNS server for tests, and a resolver that queries it in place of the system's."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
from typing_extensions import override

_TTL_S = 0
_KINDS = {socket.AF_INET: "A", socket.AF_INET6: "AAAA"}

Answer = Sequence[str]
"""Records of a response, as in a zone file: ``A 127.0.0.1``, ``CNAME other.example``."""


@dataclass
class Zone:
    """The names that the server knows; every record has a TTL of 0.

    Attributes:
        records: Name → responses to successive lookups, the last of which repeats forever. CNAMEs are followed here,
            and the whole chain is in the response, as with recursive servers.
        asked: Names and types that were queried, in order.
    """

    records: Mapping[str, Sequence[Answer]]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        [question] = query.question
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        turn = sum(asked == (name, kind) for asked in self.asked)
        self.asked.append((name, kind))
        response = dns.message.make_response(query, recursion_available=True)
        while (answers := self.records.get(name)) is not None:
            found = [each.split() for each in answers[min(turn, len(answers) - 1)]]
            texts = {of: [text for each, text in found if each == of] for of in ("CNAME", kind)}
            for of, each in texts.items():
                if each:
                    response.answer.append(dns.rrset.from_text(f"{name}.", _TTL_S, "IN", of, *each))
            if not texts["CNAME"]:
                return response
            name, turn = texts["CNAME"][0].rstrip("."), 0
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # the selector's is no subclass of it

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._zone.answer(dns.message.from_wire(data)).to_wire(), addr)


class Resolver:
    """In place of ``socket.getaddrinfo``: queries the server at ``port`` for names; addresses resolve to themselves.

    Like the system's resolver it queries A and AAAA each time, caches nothing, and keeps the order of the responses.
    """

    def __init__(self, port: int) -> None:
        self._real = socket.getaddrinfo
        self._dns = dns.resolver.Resolver(configure=False)
        self._dns.nameservers = ["127.0.0.1"]
        self._dns.port = port
        self._dns.lifetime = 30.0

    def __call__(
        self,
        host: str,
        port: object,
        family: int = 0,
        type: int = 0,  # noqa: A002 - as it is called by name
        proto: int = 0,
        flags: int = 0,
    ) -> list[object]:
        numeric = (flags & ~socket.AI_ADDRCONFIG) | socket.AI_NUMERICHOST
        addresses = [host] if _is_address(host) else self._lookup(host, family)
        return [each for one in addresses for each in self._real(one, port, 0, type, proto, numeric)]  # type: ignore[arg-type]  # passed on

    def _lookup(self, host: str, family: int) -> list[str]:
        found: list[str] = []
        for of, kind in _KINDS.items():
            if family in {0, of}:
                try:
                    found += [each.to_text() for each in self._dns.resolve(f"{host.rstrip('.')}.", kind)]
                except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                    continue
                except dns.exception.DNSException:
                    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution") from None
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found


@asynccontextmanager
async def dns_server(zone: Zone) -> AsyncIterator[Resolver]:
    """Run a server on loopback that answers from ``zone``; yields a resolver that queries it."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(zone), local_addr=("127.0.0.1", 0))
    try:
        yield Resolver(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
