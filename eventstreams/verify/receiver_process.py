"""Starts and ends the process that runs the receivers."""

import asyncio
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Final
from urllib.parse import urlsplit

import trustme

from eventstreams.errors import EventStreamsError
from eventstreams.process.listen import address_of, open_socket
from eventstreams.verify.behaviours import Listener
from eventstreams.verify.children import ended
from eventstreams.verify.plan import Plan
from eventstreams.verify.receivers import ReceiverSpec
from eventstreams.verify.receiving import READY, RECOVER, Certificates, Orders

_START_S: Final = 60.0
_STOP_S: Final = 15.0
_SECRET_BYTES: Final = 32
_FORBIDDEN: Final = "[::1]:0"  # not allowed in practice: people who test on one machine allow 127.0.0.0/8


@dataclass(frozen=True, slots=True)
class Places:
    """Where receivers listen, and where workers reach them.

    Attributes:
        sockets: Listening sockets.
        urls: The first part of sinks' destinations.
        certificates: The certificates shown over TLS.
        authority: PEM of the authority that has issued the right certificate.
    """

    sockets: Mapping[Listener, socket]
    urls: Mapping[Listener, str]
    certificates: Certificates
    authority: str

    def destination(self, position: int, listener: Listener) -> str:
        """The URL of the receiver at ``position``."""
        return f"{self.urls[listener]}/{position}"

    def close(self) -> None:
        """Close our sockets; the process that inherited them still listens."""
        for each in self.sockets.values():
            each.close()


def open_places(folder: Path, listeners: AbstractSet[Listener], listen: str, *, host: str, url: str | None) -> Places:
    """Open sockets: the plain one on ``listen``, the TLS one on any port of that host, the forbidden one on ``::1``.

    Args:
        folder: Folder for the certificates.
        listeners: Which are needed; the plain one is always opened.
        listen: ``host:port``; port 0 means any.
        host: The host by which workers reach this machine.
        url: Where workers reach the plain receivers, if not at ``host`` and the socket's port.

    Raises:
        EventStreamsError: it cannot listen there.
    """
    beside = f"{listen.rpartition(':')[0]}:0"
    where = {Listener.PLAIN: listen, Listener.TLS: beside, Listener.FORBIDDEN: _FORBIDDEN}
    sockets = {
        listener: open_socket(where[listener], setting="--listen")
        for listener in Listener
        if listener in listeners | {Listener.PLAIN}
    }
    authority = trustme.CA()
    right, wrong = folder / "right.pem", folder / "wrong.pem"
    name = host.strip("[]")
    authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(right))
    trustme.CA().issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(wrong))
    starts = {Listener.PLAIN: f"http://{host}:", Listener.TLS: f"https://{host}:"}
    urls = {
        listener: f"{starts[listener]}{_port(opened)}" if listener in starts else f"http://{address_of(opened)}"
        for listener, opened in sockets.items()
    }
    if url is not None:
        urls[Listener.PLAIN] = url.rstrip("/")
    return Places(sockets, urls, Certificates(right=right, wrong=wrong), authority.cert_pem.bytes().decode())


class ReceiverProcess:
    """The running receivers."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def recover(self) -> None:
        """Make the receivers that can recover healthy from now on."""
        await self._say(RECOVER)

    async def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()


@asynccontextmanager
async def running_receiver_process(
    folder: Path, plan: Plan, specs: Sequence[ReceiverSpec], places: Places
) -> AsyncIterator[ReceiverProcess]:
    """Run the receivers while inside.

    Raises:
        EventStreamsError: they did not start.
    """
    orders = Orders(
        folder=folder,
        plan=plan,
        specs=tuple(specs),
        certificates=places.certificates,
        fds={listener: opened.fileno() for listener, opened in places.sockets.items()},
    )
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "eventstreams.verify.receiving"],
        stdin=PIPE,
        stdout=PIPE,
        pass_fds=tuple(orders.fds.values()),
        start_new_session=True,  # Ctrl-C should reach only us: what is in flight is still received while we clean up
    )
    receiver_process = ReceiverProcess(process)
    try:
        await receiver_process._say(orders.model_dump_json())  # noqa: SLF001 - ours
        await _until_ready(process)
        yield receiver_process
    finally:
        await _end(process)


def new_secret() -> str:
    """A new secret for Standard Webhooks."""
    return f"whsec_{b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def host_of(url: str) -> str:
    """The host of ``url``, in the form for a URL."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


async def _until_ready(process: Process) -> None:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if line.decode().strip() != READY:
        raise EventStreamsError("the receivers did not start: see the output above")


async def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    await ended(process, within_s=_STOP_S)


def _port(opened: socket) -> int:
    port: int = opened.getsockname()[1]
    return port
