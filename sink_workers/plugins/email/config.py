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
            description="The one address that mail goes to, such as `oncall@example.com`. Nothing but tests go "
            "there until it was confirmed.",
        ),
    ]
    subject: Annotated[
        str,
        Field(max_length=100, description="What the subject of each mail begins with; the number of events follows."),
    ] = "Events"
    every_s: Annotated[
        int,
        Field(ge=1, le=3600, description="A mail is sent so many seconds after its first event came to a worker."),
    ] = 300
    max_events: Annotated[int, Field(ge=1, le=MAX_EVENTS, description="Or as soon as it has so many events.")] = 500

    @field_validator("to")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        found = _ADDRESS.fullmatch(address)
        if found is None or len(found["name"]) > _MAX_NAME:
            raise ValueError(
                "it must be one address such as oncall@example.com, in ASCII, a domain of other letters as xn--…"
            )
        return address

    @field_validator("subject")
    @classmethod
    def _is_a_line(cls, subject: str) -> str:
        if not subject.isprintable() or not subject.strip():
            raise ValueError("it must be some text on one line, without control characters")
        return subject
