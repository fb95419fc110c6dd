"""Connects to the host of a URL: resolves the name, has the guard check each address as its socket is opened, TLS."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Final

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import DefaultResolver
from yarl import URL

from eventstreams.sinks import DestinationForbiddenError, DestinationGuard, RetryReason
from eventstreams.trust import client_tls
from sink_workers.plugins.webhook.connection import Connection, in_words

_DNS_S: Final = 10.0  # how long addresses are cached; the guard checks every connection anyway
_STAGGER_S: Final = 0.25  # before the next address is tried in parallel (RFC 8305)
_INTERLEAVE: Final = 1

AddressInfo = aiohappyeyeballs.AddrInfoType


class ConnectError(Exception):
    """No connection could be made. ``reason`` and the message contain no text of the other side."""

    def __init__(self, reason: RetryReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(slots=True)
class Origin:
    """An origin, with the addresses of its host.

    Attributes:
        is_tls: Whether the scheme is https.
        host: As it is looked up; an IPv6 address without brackets.
        port: The port.
        shown: Host and port as in the Host header.
        addresses: The addresses of the host, valid until ``fresh_until_s`` by the loop's clock.
        resolving: Held while the name is looked up.
    """

    is_tls: bool
    host: str
    port: int
    shown: str
    addresses: list[AddressInfo] = field(default_factory=list)
    fresh_until_s: float = float("-inf")
    resolving: asyncio.Lock = field(default_factory=asyncio.Lock)


def origin_of(url: str) -> Origin:
    """The origin of ``url``, which must be http or https."""
    parsed = URL(url, encoded=True)
    host, port = parsed.raw_host, parsed.port
    assert host is not None
    assert port is not None
    name = f"{host.rstrip('.')}." if host.endswith("..") else host
    return Origin(parsed.scheme == "https", name, port, parsed.host_port_subcomponent or "")


class Dialer:
    """Makes the connections of one client."""

    def __init__(
        self, guard: DestinationGuard, tls: ssl.SSLContext | None = None, resolver: AbstractResolver | None = None
    ) -> None:
        """``tls``: None for the system's authorities and no client certificate. ``resolver``: None for the system's."""
        self._guard = guard
        self._tls = tls
        self._resolver = DefaultResolver() if resolver is None else resolver
        self._owned = resolver is None

    async def connect(self, origin: Origin, protocol: Callable[[], Connection]) -> Connection:
        """Connect to the first address of ``origin`` that is allowed and answers. Has no time limit of its own.

        Raises:
            ConnectError: no address does, or the name has none.
        """
        try:
            left = list(await self._addresses(origin))
        except OSError:
            raise ConnectError(RetryReason.CONNECT_FAILED, "the host name does not resolve") from None
        problem: OSError | None = None
        while left:
            try:
                return await self._connect(left, origin, protocol)
            except OSError as error:
                problem = error
                aiohappyeyeballs.pop_addr_infos_interleave(left, _INTERLEAVE)
        assert problem is not None
        raise _refusal(problem)

    async def aclose(self) -> None:
        if self._owned:
            await self._resolver.close()

    async def _connect(
        self, addresses: list[AddressInfo], origin: Origin, protocol: Callable[[], Connection]
    ) -> Connection:
        opened = await aiohappyeyeballs.start_connection(
            addresses,
            happy_eyeballs_delay=_STAGGER_S,
            interleave=_INTERLEAVE,
            socket_factory=partial(self._socket, origin.host),
        )
        context = (self._tls or _trusting_the_system()) if origin.is_tls else None
        name = origin.host.rstrip(".") if origin.is_tls else None  # names in certificates have no trailing dot
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(protocol, sock=opened, ssl=context, server_hostname=name)
        return connection

    def _socket(self, host: str, address: AddressInfo) -> socket.socket:
        """Create the socket for ``address`` of ``host`` if the guard allows it. The name is resolved by then."""
        family, kind, number, _, where = address
        self._guard.check(str(where[0]), host=host)
        return socket.socket(family, kind, number)

    async def _addresses(self, origin: Origin) -> list[AddressInfo]:
        loop = asyncio.get_running_loop()
        async with origin.resolving:  # concurrent callers share one look-up
            if loop.time() >= origin.fresh_until_s:
                origin.addresses = await self._resolve(origin)
                origin.fresh_until_s = loop.time() + _DNS_S
            return origin.addresses

    async def _resolve(self, origin: Origin) -> list[AddressInfo]:
        if family := _family(origin.host):
            scope = () if family == socket.AF_INET else (0, 0)
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (origin.host, origin.port, *scope))]
        found: list[AddressInfo] = []
        for each in await self._resolver.resolve(origin.host, origin.port, family=socket.AF_UNSPEC):
            v6 = each["family"] == socket.AF_INET6
            where: tuple[object, ...] = (each["host"], each["port"], *((0, 0) if v6 else ()))
            found.append((each["family"], socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where))
        if not found:
            raise OSError(f"{origin.host} does not resolve to an address")
        return found


@cache
def _trusting_the_system() -> ssl.SSLContext:
    context = client_tls()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _family(host: str) -> socket.AddressFamily | None:
    """The address family of ``host`` if it is an IP address; None if it is a name."""
    if ":" in host:  # also with a scope
        return socket.AF_INET6
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return None
    return socket.AF_INET


def _refusal(error: OSError) -> ConnectError:
    if isinstance(error, ssl.CertificateError):
        return ConnectError(RetryReason.CONNECT_FAILED, f"the certificate was refused: {error.verify_message}")
    if error.errno == DestinationForbiddenError.ERRNO:
        return ConnectError(RetryReason.DESTINATION_FORBIDDEN, error.strerror or "")
    return ConnectError(RetryReason.CONNECT_FAILED, f"no connection: {in_words(error)}")
