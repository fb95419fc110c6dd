"""A real mail server for tests: aiosmtpd with STARTTLS and a login, which answers as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Final

import orjson
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from eventstreams.sinks import MailSecurity, MailServer
from eventstreams.testing.certificates import CertificateAuthority

USER: Final = "events"
PASSWORD: Final = "the-password-of-the-mail-server"
SENDER: Final = "events@example.com"
TO: Final = "oncall@customer.example"
OK: Final = "250 OK"


@dataclass(slots=True)
class Mailbox:
    """What the server has accepted, and how it answers.

    Attributes:
        authorities: File with the CA that signed its certificate.
        refused: Event ids: a mail with one of these events is refused permanently.
        to_sender: Its reply to MAIL FROM; likewise ``to_recipient`` to RCPT TO and ``to_mail`` to what follows DATA.
        is_held: Whether RCPT TO gets no reply any more; each one sets ``reached``.
        tried: Number of mails received completely, including refused ones.
    """

    port: int = 0
    password: str = PASSWORD
    authorities: Path | None = None
    refused: Collection[str] = ()
    to_sender: str = OK
    to_recipient: str = OK
    to_mail: str = OK
    is_held: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    tried: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    def events(self) -> Sequence[dict[str, Any]]:
        """Every event in every mail, in order."""
        return [event for mail in self.mails for event in events_in(mail)]

    def to(self, address: str) -> Sequence[EmailMessage]:
        """The mails to ``address``, in order."""
        return [mail for mail in self.mails if mail["To"] == address]

    def server(self, authorities: Path | None = None, *, port: int = 0) -> MailServer:
        """Return the configuration for a sink; with ``authorities``, STARTTLS and a login are used."""
        if authorities is None:
            return MailServer(host="127.0.0.1", port=port or self.port, security=MailSecurity.NONE, sender=SENDER)
        return MailServer(
            host="127.0.0.1",
            port=port or self.port,
            security=MailSecurity.STARTTLS,
            sender=SENDER,
            sender_name="Events",
            username=USER,
            password=PASSWORD,
            authorities=authorities,
        )

    # -- what aiosmtpd calls -----------------------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.reached.set()
        if self.is_held:
            await asyncio.Event().wait()  # until the connection ends
        if self.to_recipient == OK:
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.tried += 1
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        if any(event["id"] in self.refused for event in events_in(mail)):
            return "554 5.6.0 there is something in it"
        if self.to_mail == OK:
            self.mails.append(mail)
            self.recipients.append(list(envelope.rcpt_tos))
        return self.to_mail

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = (data.login, data.password) == (USER.encode(), self.password.encode())
        return AuthResult(success=good, handled=good)


def events_in(mail: EmailMessage) -> Sequence[dict[str, Any]]:
    """Return the events in the attachment of ``mail``."""
    [file] = mail.iter_attachments()
    assert file.get_filename() == "events.json"
    found: list[dict[str, Any]] = orjson.loads(file.get_content())
    return found


@dataclass(frozen=True, slots=True)
class Keys:
    """A server's TLS context, and the file with the CA that signed its certificate."""

    context: ssl.SSLContext
    authorities: Path

    @classmethod
    def new(cls, folder: Path, host: str = "127.0.0.1") -> "Keys":
        """Create them for a server reached as ``host``, with files in ``folder``."""
        authority = CertificateAuthority.new()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(host).write(folder))
        authorities = folder / "authorities.pem"
        authorities.write_text(authority.pem)
        return cls(context, authorities)


@asynccontextmanager
async def mail_server(
    keys: Keys | None = None, *, most_bytes: int = 0, listen: str = "127.0.0.1"
) -> AsyncIterator[Mailbox]:
    """Run a server for this test only; with ``keys`` it requires STARTTLS and a login.

    Args:
        keys: None for no TLS and no login.
        most_bytes: Largest mail, which the server announces; 0 for no limit.
        listen: Address to listen on.
    """
    mailbox = Mailbox()

    def made() -> SMTP:
        return SMTP(
            mailbox,
            hostname="mail.test",
            data_size_limit=most_bytes or None,
            tls_context=None if keys is None else keys.context,
            require_starttls=keys is not None,
            auth_required=keys is not None,
            authenticator=None if keys is None else mailbox.authenticate,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(made, listen, 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        await server.wait_closed()
