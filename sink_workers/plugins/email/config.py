"""The ``SinkConfiguration`` of an email sink."""

import re
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_EVENTS: Final = 1000
# Addresses that every server takes: no quoted names, comments or IP addresses, and a domain with a dot in it.
_NAME: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"(?P<name>{_NAME}(?:\.{_NAME})*)@{_LABEL}(?:\.{_LABEL})+")
_MAX_NAME: Final = 64  # RFC 5321; the whole address has at most 254
_MAX_ADDRESS: Final = 254


class EmailConfig(BaseModel):
    """To whom, and how often. Each description stands in ``docs/sinks/email.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    to: Annotated[
        str,
        Field(
            max_length=_MAX_ADDRESS,
            description="The recipient's address, such as `oncall@example.com`. Until it is confirmed, only test "
            "events are sent to it.",
        ),
    ]
    subject: Annotated[
        str,
        Field(max_length=100, description="Beginning of each mail's subject; the number of events follows."),
    ] = "Events"
    every_s: Annotated[
        int,
        Field(ge=1, le=3600, description="How many seconds after the arrival of its first event a mail is sent."),
    ] = 300
    max_events: Annotated[
        int, Field(ge=1, le=MAX_EVENTS, description="Number of events at which a mail is sent earlier.")
    ] = 500

    @field_validator("to")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        found = _ADDRESS.fullmatch(address)
        if found is None or len(found["name"]) > _MAX_NAME:
            raise ValueError(
                "it must be a single address such as oncall@example.com, in ASCII, with an internationalized "
                "domain as xn--…"
            )
        return address

    @field_validator("subject")
    @classmethod
    def _is_a_line(cls, subject: str) -> str:
        if not subject.isprintable() or not subject.strip():
            raise ValueError("it must be non-empty text on one line, without control characters")
        return subject
