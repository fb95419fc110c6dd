"""The operator's mail server, as provided to sinks that send mail."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class MailSecurity(StrEnum):
    """How to connect to the server. With TLS its certificate and host name are always checked."""

    TLS = "smtps"
    STARTTLS = "smtp"
    NONE = "smtp+plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server to submit mail to. It is the operator's own, so the destination guard does not check its address.

    Attributes:
        sender: The address that mail comes from, and that bounces go to.
        sender_name: The display name for it; may be empty.
        username: The user to log in as, always with a password and TLS; None: do not log in.
        authorities: PEM file of the certificate authorities to trust instead of the system's; None: the system's.
    """

    host: str
    port: int
    security: MailSecurity
    sender: str
    sender_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: Path | None = None
