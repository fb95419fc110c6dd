"""The settings of the operator's mail server, which sinks that send mail need."""

import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.policy import SMTP
from typing import Annotated, Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from eventstreams.settings.kafka import PemFile
from eventstreams.sinks.mail import MailSecurity, MailServer
from eventstreams.trust import client_tls

_PORTS: Final = {MailSecurity.TLS: 465, MailSecurity.STARTTLS: 587, MailSecurity.NONE: 25}
_URL: Final = "smtp://user@host:587 (STARTTLS), smtps://user@host:465 (TLS) or smtp+plain://host:25"


def _mail_url(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        url, port = urlsplit(value), urlsplit(value).port
    except ValueError:
        raise ValueError(f"it must be {_URL}") from None
    if url.scheme not in set(MailSecurity) or not url.hostname or port == 0:
        raise ValueError(f"it must be {_URL}")
    if url.password is not None:
        raise ValueError("put the password in EVENTSTREAMS_SMTP_PASSWORD, which is never shown")
    if url.path not in {"", "/"} or url.query or url.fragment:
        raise ValueError(f"it must end with the port: {_URL}")
    if url.scheme == MailSecurity.NONE and url.username is not None:
        raise ValueError("a user needs TLS, since the password could be read otherwise: use smtp:// or smtps://")
    return value


def _mailbox(value: str | None) -> str | None:
    if value is not None and _parsed(value) is None:
        raise ValueError("it must be one address, such as events@example.com or Events <events@example.com>")
    return value


class MailSettings(BaseSettings):
    """What sinks of type ``email`` need from the operator."""

    smtp_url: Annotated[str | None, AfterValidator(_mail_url)] = Field(
        None,
        description="The mail server of `email` sinks: `smtp://user@host:587` (STARTTLS), `smtps://user@host:465` "
        "(TLS) or `smtp+plain://host:25`. Default: none, and no such sink can be created.",
    )
    smtp_password: SecretStr | None = Field(None, description="Password of the user in that URL.")
    smtp_from: Annotated[str | None, AfterValidator(_mailbox)] = Field(
        None, description="Sender of the mail, such as `Events <events@example.com>`; it also receives the bounces."
    )
    smtp_tls_authorities: PemFile = Field(
        None,
        description="PEM file with the CA certificates that sign the mail server's certificate; default: the system's.",
    )

    @model_validator(mode="after")
    def _mail_belongs_together(self) -> Self:
        if self.smtp_url is None:
            for name in ("smtp_password", "smtp_from", "smtp_tls_authorities"):
                if getattr(self, name) is not None:
                    raise ValueError(f"EVENTSTREAMS_{name.upper()} is set, so EVENTSTREAMS_SMTP_URL must be too")
            return self
        if self.smtp_from is None:
            raise ValueError("EVENTSTREAMS_SMTP_URL is set, so EVENTSTREAMS_SMTP_FROM must be too")
        if (urlsplit(self.smtp_url).username is None) != (self.smtp_password is None):
            raise ValueError("the user in EVENTSTREAMS_SMTP_URL and EVENTSTREAMS_SMTP_PASSWORD must be set together")
        if self.smtp_tls_authorities is not None:
            try:
                client_tls(self.smtp_tls_authorities)
            except ssl.SSLError:
                raise ValueError(
                    f"EVENTSTREAMS_SMTP_TLS_AUTHORITIES: {self.smtp_tls_authorities} has no certificate; it must "
                    "be a PEM file, beginning with -----BEGIN CERTIFICATE-----"
                ) from None
        return self

    @property
    def mail_server(self) -> MailServer | None:
        """The server to which sinks submit mail; None if the operator has configured none."""
        sender = None if self.smtp_from is None else _parsed(self.smtp_from)
        if self.smtp_url is None or sender is None:
            return None
        url = urlsplit(self.smtp_url)
        security = MailSecurity(url.scheme)
        return MailServer(
            host=url.hostname or "",
            port=url.port or _PORTS[security],
            security=security,
            sender=sender.addr_spec,
            sender_name=sender.display_name,
            username=None if url.username is None else unquote(url.username),
            password=None if self.smtp_password is None else self.smtp_password.get_secret_value(),
            authorities=self.smtp_tls_authorities,
        )


def _parsed(text: str) -> Address | None:
    """The one address in ``text``, in the form of a mail header; None if there is none, or more than one."""
    try:
        header = SMTP.header_factory("from", text)
    except (ValueError, IndexError, MessageError):
        return None
    found: tuple[Address, ...] = header.addresses
    if header.defects or len(found) != 1 or not found[0].domain or not found[0].username:
        return None
    return found[0] if found[0].addr_spec.isascii() else None
