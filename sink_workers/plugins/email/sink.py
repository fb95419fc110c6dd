"""The email sink: a batch is one mail, handed to the operator's server, whose answer decides the outcome.

A mail that is refused for its content is split in halves, so that one event that no server takes does not keep the
others from arriving, and no mailbox gets a mail for each of the others.
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

TIMEOUT_S: Final = 60.0  # for a delivery: a server may scan a mail before it answers
_TRIES: Final = 21  # mails of one delivery, including refused ones: enough to find one event among 1,000
_ACCEPTED: Final = 250
_UNDECIDED: Final = RetryLater(RetryReason.BAD_ANSWER, "refused together with others; to be retried separately")
_STEPS: Final[Mapping[type[aiosmtplib.SMTPResponseException], Step]] = {
    aiosmtplib.SMTPAuthenticationError: Step.LOGIN,
    aiosmtplib.SMTPSenderRefused: Step.SENDER,
    aiosmtplib.SMTPRecipientRefused: Step.RECIPIENT,
    aiosmtplib.SMTPDataError: Step.CONTENT,
    aiosmtplib.SMTPResponseException: Step.GREETING,  # any other one
}
_FAILURES: Final = (aiosmtplib.SMTPException, OSError, ValueError)


class EmailSink:
    """Sends to one address. Connects for each delivery, as there are minutes between two."""

    def __init__(
        self,
        writer: Writer,
        server: MailServer,
        *,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        now: Callable[[], datetime],
    ) -> None:
        """``tls``: None if ``server`` is reached without TLS. ``now``: the date for mails, timezone-aware."""
        self._writer = writer
        self._server = server
        self._tls = tls
        self._timeout_s = timeout_s
        self._now = now
        self._closed = False
        self._connected: set[aiosmtplib.SMTP] = set()
        self._secrets = [] if server.password is None else [server.password]

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Send one mail, or several if the server refuses it. Delivered means that the server has answered 250."""
        undecided = [(0, len(batch))]  # parts of the batch, the last one first
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
        except _FAILURES as error:  # parts that were answered before keep their outcome
            for first, end in undecided:
                outcomes[first:end] = [self._explain(error)] * (end - first)
        return outcomes

    async def probe(self) -> DeliveryOutcome:
        """Ask the server whether it would take mail for the address, without sending any."""
        try:
            async with asyncio.timeout(self._timeout_s), self._connection() as client:
                await self._address(client)
        except _FAILURES as error:
            return self._explain(error)
        return Delivered(_ACCEPTED)

    async def aclose(self) -> None:
        """Abort deliveries under way; nothing stays open between deliveries."""
        self._closed = True
        for client in self._connected:
            client.close()

    async def _send(self, client: aiosmtplib.SMTP, events: Sequence[OutboundEvent]) -> DeliveryOutcome | None:
        """Send one mail; return its outcome, or None if it was refused for its content and has several events."""
        data = await asyncio.to_thread(self._writer.mail, events, now=self._now())
        most = _size_limit(client)
        if most and len(data) > most:
            detail = f"as a mail it has {len(data):,} bytes, but the mail server accepts at most {most:,}"
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
        """A session with the server that is ready to send mail; it is closed with the block."""
        client = self._client()
        self._connected.add(client)
        try:
            await client.connect()
            if self._closed:
                raise aiosmtplib.SMTPServerDisconnected("the sink was closed in the meantime")
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
            local_hostname=self._server.sender.rpartition("@")[2],  # finding our own name might need DNS
            timeout=self._timeout_s,
        )

    def _explain(self, error: Exception) -> DeliveryOutcome:
        for kind, step in _STEPS.items():
            if isinstance(error, kind):
                words = excerpt(error.message.encode(errors="surrogateescape"), self._secrets)
                return judge(step, error.code, words)
        return no_answer(self._timeout_s) if isinstance(error, TimeoutError) else _unsaid(error)


def _unsaid(error: Exception) -> RetryLater:
    """The outcome of an error that is not an answer of the server."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    match cause:
        case aiosmtplib.SMTPServerDisconnected():
            return RetryLater(RetryReason.BAD_ANSWER, "the mail server closed the connection")
        case OSError():
            return no_connection(cause, whose="the mail server's")
        case aiosmtplib.SMTPException():  # it lacks STARTTLS, or any way to log in
            return RetryLater(RetryReason.SINK_UNUSABLE, cause.message)
        case _:
            return RetryLater(RetryReason.BAD_ANSWER, f"its answer is not valid SMTP: {type(cause).__name__}")


def _size_limit(client: aiosmtplib.SMTP) -> int:
    """The size of the largest mail that the server takes, in bytes, as it declares it; 0 if it does not."""
    said = client.esmtp_extensions.get("size", "").strip()
    return int(said) if said.isdecimal() and len(said) < 20 else 0  # noqa: PLR2004 - RFC 1870: at most 20 digits


async def open_sink(config: EmailConfig, context: SinkContext, *, timeout_s: float = TIMEOUT_S) -> EmailSink:
    """Create the sink; it connects at each delivery.

    Raises:
        ValueError: the operator has configured no mail server.
    """
    server = context.mail
    if server is None:
        raise ValueError("no mail server is configured: EVENTSTREAMS_SMTP_URL is not set")
    writer = Writer(config, server, context.sink_sid, context.account_sid)
    tls: ssl.SSLContext | None = None
    if server.security is not MailSecurity.NONE:
        tls = await asyncio.to_thread(client_tls, server.authorities)
    return EmailSink(writer, server, tls=tls, timeout_s=timeout_s, now=lambda: datetime.now(UTC))
