"""The process that runs the receivers, separately so that they and the publisher do not slow each other down.

Its parent writes one line with its orders, reads one that says that it is ready, and later writes ``recover``. The
process ends when its standard input ends.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict

from eventstreams.process.health import serve_app
from eventstreams.verify.behaviours import Listener
from eventstreams.verify.inspection import Finding
from eventstreams.verify.ledger import Ledger, Tally
from eventstreams.verify.plan import Plan
from eventstreams.verify.receivers import Receivers, ReceiverSpec

RECOVER: Final = "recover"
FINDINGS: Final = "findings"
READY: Final = "ready"
_TURN_S: Final = 1.0  # how long each of the two certificates is shown
_MAX_LINE: Final = 1 << 20


class Certificates(BaseModel):
    """PEM files, each a chain with its key: ``right`` is issued by the sink's authority, ``wrong`` by another."""

    model_config = ConfigDict(frozen=True)

    right: Path
    wrong: Path


class Orders(BaseModel):
    """The parent's orders. ``fds``: the listening sockets, by purpose."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    plan: Plan
    specs: tuple[ReceiverSpec, ...]
    certificates: Certificates
    fds: Mapping[Listener, int]


async def receive(orders: Orders, commands: asyncio.StreamReader) -> None:
    """Receive deliveries until ``commands`` ends."""
    ledger = Ledger(orders.folder, orders.plan, new=False)
    tallies = [Tally(orders.folder, position, orders.plan, new=False) for position in range(len(orders.specs))]
    with (orders.folder / FINDINGS).open("ab", buffering=0) as findings:

        def note(position: int, finding: Finding) -> None:
            findings.write(orjson.dumps({"position": position, **asdict(finding)}, option=orjson.OPT_APPEND_NEWLINE))

        receivers = Receivers(orders.specs, orders.plan, ledger, tallies, note)
        certificate = _Certificate(orders.certificates)
        async with AsyncExitStack() as stack:
            for listener, fd in orders.fds.items():
                tls = certificate.context if listener is Listener.TLS else None
                await stack.enter_async_context(serve_app(receivers.app(), _opened(fd), drain_s=0.5, tls=tls))
            turning = asyncio.create_task(certificate.turn())
            print(READY, flush=True)  # noqa: T201 - the parent reads it
            while line := await commands.readline():
                if line.decode().strip() == RECOVER:
                    receivers.recover()
                    turning.cancel()
                    certificate.show(orders.certificates.right)
            turning.cancel()


class _Certificate:
    """The certificate shown on new connections, which can be changed at any time."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)  # noqa: TID251 - a server's
        self.show(certificates.wrong)

    def show(self, file: Path) -> None:
        self.context.load_cert_chain(file)

    async def turn(self) -> None:
        """Show the wrong and the right one alternately, forever."""
        while True:
            self.show(self._certificates.wrong)
            await asyncio.sleep(_TURN_S)
            self.show(self._certificates.right)
            await asyncio.sleep(_TURN_S)


def _opened(fd: int) -> socket.socket:
    opened = socket.socket(fileno=fd)
    opened.setblocking(False)
    return opened


async def _main() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=_MAX_LINE, loop=loop)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await receive(Orders.model_validate_json(await commands.readline()), commands)


if __name__ == "__main__":
    asyncio.run(_main())
