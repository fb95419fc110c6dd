"""Configuration of a webhook sink, as subscribers give it in ``SinkConfiguration``."""

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from yarl import URL

_MAX_URL: Final = 2048  # what receivers and proxies commonly take
_HIDDEN: Final = "********"


# A last label like these makes a host an IPv4 address in disguise for many resolvers: 127.1, 2130706433, 0x7f.1
_NUMBER: Final = re.compile(r"\d+|0[xX][0-9a-fA-F]*")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class WebhookConfig(BaseModel):
    """Where to deliver and how.

    Attributes:
        destination: http or https URL. User and password in it are sent as Basic authorization.
        method: ``post`` or ``get``, in any case; a GET carries the same JSON body.
        batch_events: Whether one request may carry several events.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    destination: Annotated[str, Field(max_length=_MAX_URL)]
    method: Annotated[Literal["post", "get"], BeforeValidator(_lower)] = "post"
    batch_events: bool = False

    @model_validator(mode="after")
    def _destination_is_a_url(self) -> Self:
        try:
            url = URL(self.destination, encoded=True)
            host = url.host or ""
        except ValueError:
            raise ValueError("destination is not a URL") from None
        if url.scheme not in {"http", "https"} or not host or url.port is None:
            raise ValueError("destination must be an http or https URL with a host")
        if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in self.destination):  # noqa: PLR2004
            raise ValueError("destination must be percent-encoded ASCII without spaces")
        if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) and not _is_ip(host):
            raise ValueError("destination's host is a number, but no IP address as a.b.c.d or [a:b::c]")
        return self

    @property
    def url(self) -> URL:
        """The destination without user, password and fragment, spelled as given: what is requested and signed."""
        return URL(self.destination, encoded=True).with_user(None).with_fragment(None)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password of the destination, decoded; None where it has none."""
        url = URL(self.destination, encoded=True)
        if url.raw_user is None:
            return None
        return unquote(url.raw_user), unquote(url.raw_password or "")


def public(config: WebhookConfig) -> dict[str, object]:
    """The configuration as the API answers it; a password is not shown."""
    url = URL(config.destination, encoded=True)
    shown = url if url.raw_password is None else url.with_password(_HIDDEN)
    return {"destination": str(shown), "method": config.method, "batch_events": config.batch_events}
