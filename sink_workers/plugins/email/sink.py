"""The email sink: a batch is a mail, handed to the operator's server and judged by what that says.

A mail that is refused for what is in it is sent in halves, so that one event which no server takes keeps no other one
from arriving, and no mailbox gets a mail for each of the others.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import aiosmtplib

from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DeliveryOutcome,
    MailSecurity,
    MailServer,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    SinkContext,
    no_answer,
    no_connection,
)
from eventstreams.trust import client_tls
from sink_workers.plugins.email.config import EmailConfig
from sink_workers.plugins.email.judge import Step, is_about_content, judge
from sink_workers.plugins.email.request import Writer
from sink_workers.plugins.webhook.answer import excerpt

TIMEOUT_S: Final = 60.0  # for a delivery: a server may look through a mail before it answers
_TRIES: Final = 21  # mails of one delivery, refused ones among them: enough to find one event among 1,000
_ACCEPTED: Final = 250
_UNDECIDED: Final = RetryLater(RetryReason.BAD_ANSWER, "refused with others, and not yet known whether for itself")
_STEPS: Final[Mapping[type[aiosmtplib.SMTPResponseException], Step]] = {
    aiosmtplib.SMTPAuthenticationError: Step.LOGIN,
    aiosmtplib.SMTPSenderRefused: Step.SENDER,
    aiosmtplib.SMTPRecipientRefused: Step.RECIPIENT,
    aiosmtplib.SMTPDataError: Step.CONTENT,
    aiosmtplib.SMTPResponseException: Step.GREETING,  # any other one
}
_FAILURES: Final = (aiosmtplib.SMTPException, OSError, ValueError)


class EmailSink:
    """Sends to one address. Connects for each delivery: there are minutes between two."""

    def __init__(
        self,
        writer: Writer,
        server: MailServer,
        *,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        now: Callable[[], datetime],
    ) -> None:
        """``tls``: None where ``server`` is to be reached without. ``now``: aware; the date of mails."""
        self._writer = writer
        self._server = server
        self._tls = tls
        self._timeout_s = timeout_s
        self._now = now
        self._closed = False
        self._connected: set[aiosmtplib.SMTP] = set()
        self._secrets = [] if server.password is None else [server.password]

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """One mail; more only where the server refuses it. Delivered is what the server has answered 250 for."""
        undecided = [(0, len(batch))]  # parts of it, from the last to the first
        outcomes: list[DeliveryOutcome] = [_UNDECIDED] * len(batch)
        try:
            async with asyncio.timeout(self._timeout_s), self._connection() as client:
                for _ in range(_TRIES):
                    if not undecided:
                        break
                    first, end = undecided[-1]
                    outcome = await self._send(client, batch[first:end])
                    undecided.pop()
                    if outcome is None:
                        middle = (first + end) // 2
                        undecided += [(middle, end), (first, middle)]
                    else:
                        outcomes[first:end] = [outcome] * (end - first)
                await client.quit()
        except _FAILURES as error:  # what was answered by then counts
            for first, end in undecided:
                outcomes[first:end] = [self._explain(error)] * (end - first)
        return outcomes

    async def probe(self) -> DeliveryOutcome:
        """Ask the server whether it would take mail for the address; sends none."""
        try:
            async with asyncio.timeout(self._timeout_s), self._connection() as client:
                await self._address(client)
        except _FAILURES as error:
            return self._explain(error)
        return Delivered(_ACCEPTED)

    async def aclose(self) -> None:
        """End what is under way; nothing stays open between deliveries."""
        self._closed = True
        for client in self._connected:
            client.close()

    async def _send(self, client: aiosmtplib.SMTP, events: Sequence[OutboundEvent]) -> DeliveryOutcome | None:
        """What became of one mail; None where it was refused for what is in it, and has more events than one."""
        data = await asyncio.to_thread(self._writer.mail, events, now=self._now())
        most = _size_limit(client)
        if most and len(data) > most:
            detail = f"as a mail it has {len(data):,} bytes, and the mail server takes {most:,}"
            return None if len(events) > 1 else Rejected(DeadReason.TOO_LARGE, detail)
        await self._address(client)
        try:
            await client.data(data)
        except aiosmtplib.SMTPDataError as error:
            if not is_about_content(Step.CONTENT, error.code):
                raise
            return None if len(events) > 1 else self._explain(error)
        return Delivered(_ACCEPTED)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A conversation with the server that has come as far as mail; it ends with the block."""
        client = self._client()
        self._connected.add(client)
        try:
            await client.connect()
            if self._closed:
                raise aiosmtplib.SMTPServerDisconnected("the sink was closed meanwhile")
            if self._server.username is not None:
                await client.login(self._server.username, self._server.password or "")
            elif client.is_ehlo_or_helo_needed:
                await client.ehlo()
            yield client
        finally:
            self._connected.discard(client)
            client.close()

    async def _address(self, client: aiosmtplib.SMTP) -> None:
        await client.mail(self._server.sender)
        await client.rcpt(self._writer.config.to)

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.security is MailSecurity.TLS,
            start_tls=self._server.security is MailSecurity.STARTTLS,
            tls_context=self._tls,
            local_hostname=self._server.sender.rpartition("@")[2],  # to ask for our own name may take a name server
            timeout=self._timeout_s,
        )

    def _explain(self, error: Exception) -> DeliveryOutcome:
        for kind, step in _STEPS.items():
            if isinstance(error, kind):
                words = excerpt(error.message.encode(errors="surrogateescape"), self._secrets)
                return judge(step, error.code, words)
        return no_answer(self._timeout_s) if isinstance(error, TimeoutError) else _unsaid(error)


def _unsaid(error: Exception) -> RetryLater:
    """Of what the server did not say."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    match cause:
        case aiosmtplib.SMTPServerDisconnected():
            return RetryLater(RetryReason.BAD_ANSWER, "the mail server ended the connection")
        case OSError():
            return no_connection(cause, whose="the mail server's")
        case aiosmtplib.SMTPException():  # it lacks STARTTLS, or any way to log in
            return RetryLater(RetryReason.SINK_UNUSABLE, cause.message)
        case _:
            return RetryLater(RetryReason.BAD_ANSWER, f"its answer is not SMTP's: {type(cause).__name__}")


def _size_limit(client: aiosmtplib.SMTP) -> int:
    """Bytes of the largest mail that the server takes, as it says itself; 0 where it does not."""
    said = client.esmtp_extensions.get("size", "").strip()
    return int(said) if said.isdecimal() and len(said) < 20 else 0  # noqa: PLR2004 - RFC 1870: at most 20 digits


async def open_sink(config: EmailConfig, context: SinkContext, *, timeout_s: float = TIMEOUT_S) -> EmailSink:
    """The sink; it connects when it has something to send.

    Raises:
        ValueError: the operator has set no mail server.
    """
    server = context.mail
    if server is None:
        raise ValueError("there is no mail server: EVENTSTREAMS_SMTP_URL is not set")
    writer = Writer(config, server, context.sink_sid, context.account_sid)
    tls: ssl.SSLContext | None = None
    if server.security is not MailSecurity.NONE:
        tls = await asyncio.to_thread(client_tls, server.authorities)
    return EmailSink(writer, server, tls=tls, timeout_s=timeout_s, now=lambda: datetime.now(UTC))
