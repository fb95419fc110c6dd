"""Configuration of a webhook sink, as subscribers give it in ``SinkConfiguration``."""

from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from yarl import URL

_MAX_URL: Final = 2048  # what receivers and proxies commonly take
_HIDDEN: Final = "********"


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
            usable = url.scheme in {"http", "https"} and bool(url.host) and url.port is not None
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("destination must be an http or https URL with a host")
        if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in self.destination):  # noqa: PLR2004
            raise ValueError("destination must be percent-encoded ASCII without spaces")
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
