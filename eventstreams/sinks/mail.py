"""The mail server of whoever runs the installation, as sinks that send mail get it."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class MailSecurity(StrEnum):
    """How mail goes to the server. With TLS its certificate and host name are checked, without a way around it."""

    TLS = "smtps"
    STARTTLS = "smtp"
    NONE = "smtp+plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where to hand mail in. It is the operator's own, so the destination guard has no say about its address.

    Attributes:
        sender: The address that mail comes from, and that bounces go to.
        sender_name: Shown beside it; may be empty.
        username: Whom to log in as; None: not at all. There is a password then, and TLS.
        authorities: PEM file of the authorities to trust in place of the system's; None: the system's.
    """

    host: str
    port: int
    security: MailSecurity
    sender: str
    sender_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: Path | None = None
