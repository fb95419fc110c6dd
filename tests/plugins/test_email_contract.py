"""The email plugin keeps the contract of all sinks, towards a real mail server, with STARTTLS and a login."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
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
from sink_workers.plugins.email.config import EmailConfig
from sink_workers.plugins.email.sink import open_sink
from tests.support.gate import Gate, gate
from tests.support.mail import PASSWORD, TO, Keys, Mailbox, mail_server

TIMEOUT_S: Final = 8.0  # instead of 60: most of these tests let one pass; a busy machine takes 4 for an answer
MOST_BYTES: Final = 4 << 20


class CustomersMailbox(Destination):
    """A mailbox behind a gate."""

    config: Mapping[str, object] = {"to": TO, "max_events": 1000}
    secrets: Sequence[str] = (PASSWORD,)

    def __init__(self, gate: Gate, mailbox: Mailbox) -> None:
        self._gate = gate
        self._mailbox = mailbox

    @override
    async def arrived(self) -> Sequence[Arrival]:
        return [Arrival(str(event["id"]), event) for event in self._mailbox.events()]

    @override
    async def heal(self) -> None:
        self._gate.cut()
        self._gate.is_down = self._mailbox.is_held = False
        self._gate.says = None
        self._mailbox.refused = ()

    @override
    async def refuse(self, ids: Collection[str]) -> None:
        self._mailbox.refused = list(ids)

    @override
    def too_large(self) -> int:
        return MOST_BYTES

    @override
    async def go_down(self) -> None:
        self._gate.is_down = True
        self._gate.cut()

    @override
    async def babble(self) -> None:
        self._gate.says = b"\xff\x00HTTP/1.1 400 Bad Request\r\n\r\n" * 1000

    @override
    async def hang(self) -> asyncio.Event:
        self._mailbox.reached.clear()
        self._mailbox.is_held = True
        return self._mailbox.reached


class TestEmail(SinkContract):
    sink_type = "email"
    unguarded = "the mail server is the operator's, a setting"
    cannot: ClassVar[Mapping[Ability, str]] = {
        "defer": "a mail is taken whole, or not at all",
        "rotate": "the password is the operator's: a setting, not a part of the configuration",
    }

    @pytest.fixture(autouse=True)
    def _with(self, tmp_path: Path) -> None:
        self.keys = Keys.new(tmp_path)

    @override
    def plugin(self) -> AnySinkPlugin:
        found = super().plugin()

        async def quick(config: BaseModel, context: SinkContext) -> Sink:
            assert isinstance(config, EmailConfig)
            server = self.mailbox.server(self.keys.authorities, port=self.gate.port)
            return await open_sink(config, replace(context, mail=server), timeout_s=TIMEOUT_S)

        return replace(
            found,
            open=quick,
            capabilities=lambda config: replace(found.capabilities(config), timeout_s=TIMEOUT_S + 3),
        )

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with mail_server(self.keys, most_bytes=MOST_BYTES) as mailbox, gate(to=mailbox.port) as made:
            self.mailbox, self.gate = mailbox, made
            yield CustomersMailbox(made, mailbox)
