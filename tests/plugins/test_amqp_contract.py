"""The AMQP plugin keeps the contract of all sinks, towards a real broker, with TLS at the gate before it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

import pytest
from pydantic import BaseModel
from typing_extensions import override

from eventstreams.sinks import Sink, SinkContext
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.testing import Ability, Arrival, Destination, SinkContract
from eventstreams.testing.certificates import CertificateAuthority
from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.amqp.sink import open_sink
from tests.support.gate import Gate, gate
from tests.support.qpid import PASSWORD, USER, Qpid, Queue, queue_in

TIMEOUT_S: Final = 4.0  # instead of 10: most of these tests let one pass
_REFUSES_NONE: Final = "a broker refuses no message for what is in it"


class CustomersQueue(Destination):
    """A queue behind a gate."""

    config: dict[str, object]
    secrets: Sequence[str] = (PASSWORD,)

    def __init__(self, gate: Gate, queue: Queue, authority: CertificateAuthority) -> None:
        self._gate = gate
        self._queue = queue
        self.config = {
            "host": "127.0.0.1",
            "port": gate.port,
            "ca_certificate": authority.pem,
            "username": USER,
            "password": PASSWORD,
            "routing_key": queue.name,
        }

    @override
    async def arrived(self) -> Sequence[Arrival]:
        return [Arrival(str(event["id"]), event) for event in await self._queue.events()]

    @override
    async def heal(self) -> None:
        if self._gate.is_held or self._gate.says is not None:
            self._gate.cut()  # a client waits for answers that were thrown away
        self._gate.is_down = self._gate.is_held = False
        self._gate.says = None

    @override
    async def go_down(self) -> None:
        self._gate.is_down = True
        self._gate.cut()

    @override
    async def babble(self) -> None:
        self._gate.says = b"\xff\x00HTTP/1.1 400 Bad Request\r\n\r\n" * 1000

    @override
    async def hang(self) -> asyncio.Event:
        self._gate.reached.clear()
        self._gate.is_held = True
        return self._gate.reached


class TestAmqp(SinkContract):
    sink_type = "amqp"
    cannot: ClassVar[Mapping[Ability, str]] = {
        "refuse": _REFUSES_NONE,
        "defer": _REFUSES_NONE,
        "too_large": "it ends the channel, and does not say by which message: each is then tried again alone",
        "rotate": "this one reads its users at its start; a test shows what a wrong password does",
    }

    @pytest.fixture(autouse=True)
    def _with(self, qpid: Qpid, tmp_path: Path) -> None:
        self.qpid = qpid
        self.authority = CertificateAuthority.new()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(*self.authority.issue("127.0.0.1").write(tmp_path))

    @override
    def plugin(self) -> AnySinkPlugin:
        found = super().plugin()

        async def quick(config: BaseModel, context: SinkContext) -> Sink:
            assert isinstance(config, AmqpConfig)
            return await open_sink(config, context, timeout_s=TIMEOUT_S)

        return replace(
            found,
            open=quick,
            capabilities=lambda config: replace(found.capabilities(config), timeout_s=TIMEOUT_S + 3),
        )

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with queue_in(self.qpid) as queue, gate(to=self.qpid.port, tls=self.tls) as made:
            yield CustomersQueue(made, queue, self.authority)
