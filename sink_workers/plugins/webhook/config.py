"""Configuration of a webhook sink, as subscribers give it in ``SinkConfiguration``."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from yarl import URL

from sink_workers.plugins.webhook.custom_headers import check_headers
from sink_workers.plugins.webhook.oauth import OAuthConfig
from sink_workers.plugins.webhook.standard_webhooks import StandardWebhooksConfig
from sink_workers.plugins.webhook.tls import MAX_PEM, check_authorities, check_pair

HIDDEN: Final = "********"
_MAX_URL: Final = 2048  # what receivers and proxies commonly take
_MAX_HOST: Final = 253  # of a name: RFC 1035, as text
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
# A last label like these makes a host an IPv4 address in disguise for many resolvers: 127.1, 2130706433, 0x7f.1
_NUMBER: Final = re.compile(r"\d+|0[xX][0-9a-fA-F]*")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class WebhookConfig(BaseModel):
    """Where to deliver and how. Its ``repr`` and its validation messages hold no secret.

    Attributes:
        destination: http or https URL. User and password in it are sent as Basic authorization.
        method: ``post`` or ``get``, in any case; a GET carries the same JSON body.
        batch_events: Whether one request may carry several events.
        batch_max_events: Most events of one request.
        batch_max_bytes: Largest body, unless a single event is larger. The default is the only bound of a batch that
            the reference documents.
        batch_linger_ms: How long events may wait for others.
        headers: Sent with every request, beside ours.
        standard_webhooks: Sign as https://www.standardwebhooks.com says, too.
        client_certificate: PEM, the leaf first: for destinations that want to see one. ``client_key`` is its key.
        ca_certificate: PEM; authorities to trust in addition to the system's.
        oauth2: Send an access token, got with client credentials.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    destination: Annotated[str, Field(max_length=_MAX_URL, repr=False)]
    method: Annotated[Literal["post", "get"], BeforeValidator(_lower)] = "post"
    batch_events: bool = False
    batch_max_events: Annotated[int, Field(ge=1, le=1000)] = 100
    batch_max_bytes: Annotated[int, Field(ge=4096, le=1 << 20)] = 64 * 1024
    batch_linger_ms: Annotated[int, Field(ge=0, le=10_000)] = 500
    headers: Mapping[str, SecretStr] = {}
    standard_webhooks: StandardWebhooksConfig | None = None
    client_certificate: Annotated[str | None, Field(max_length=MAX_PEM, repr=False)] = None
    client_key: SecretStr | None = None
    ca_certificate: Annotated[str | None, Field(max_length=MAX_PEM, repr=False)] = None
    oauth2: OAuthConfig | None = None

    @field_validator("destination")
    @classmethod
    def _is_a_url(cls, destination: str) -> str:
        try:
            url = URL(destination, encoded=True)
            host = url.raw_host or ""
        except ValueError:
            raise ValueError("it is not a URL") from None
        if url.scheme not in {"http", "https"} or not host or url.port is None:
            raise ValueError("it must be an http or https URL with a host")
        if not host.isascii():
            raise ValueError(f"its host must be in the ASCII form of international names{_ascii_form(host)}")
        if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in destination):  # noqa: PLR2004
            raise ValueError("it must be percent-encoded ASCII without spaces")
        if not _is_ip(host):
            _check_name(host)
        return destination

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        check_headers({name: value.get_secret_value() for name, value in headers.items()})
        return headers

    @field_validator("ca_certificate")
    @classmethod
    def _are_certificates(cls, pem: str | None) -> str | None:
        if pem is not None:
            check_authorities(pem)
        return pem

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.batch_events:
            for key in ("batch_max_events", "batch_max_bytes", "batch_linger_ms"):
                if key in self.model_fields_set:
                    raise ValueError(f"{key} is for sinks with batch_events: true")
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key go together: give both, or none")
        if self.client_certificate is not None and self.client_key is not None:
            check_pair(self.client_certificate, self.client_key.get_secret_value())
        if not self.url.startswith("https:") and (self.client_certificate or self.ca_certificate) and not self.oauth2:
            raise ValueError("certificates are for an https destination")
        ways = {
            "destination (its user)": self.credentials is not None,
            "headers (Authorization)": any(name.lower() == "authorization" for name in self.headers),
            "oauth2": self.oauth2 is not None,
        }
        given = [way for way, is_given in ways.items() if is_given]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} each make an Authorization header: give one of them")
        return self

    @property
    def url(self) -> str:
        """The destination without user, password and fragment, spelled as given: what is requested and signed."""
        scheme, _, rest = self.destination.partition("#")[0].partition("://")
        authority = re.split("[/?]", rest, maxsplit=1)[0]
        path = rest.removeprefix(authority)
        root = "" if path.startswith("/") else "/"  # what goes on the wire, and what a receiver sees, has one
        return f"{scheme.lower()}://{authority.rpartition('@')[2]}{root}{path.removesuffix('?')}"

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password of the destination, decoded; None where it has none."""
        url = URL(self.destination, encoded=True)
        if url.raw_user is None and url.raw_password is None:
            return None
        return unquote(url.raw_user or ""), unquote(url.raw_password or "")


def public(config: WebhookConfig) -> dict[str, object]:
    """The configuration as the API answers it: the reference's keys, and of ours those that were given; no secret."""
    url = URL(config.destination, encoded=True)
    shown: dict[str, object] = {
        "destination": str(url if config.credentials is None else url.with_password(None).with_user(HIDDEN)),
        "method": config.method,
        "batch_events": config.batch_events,
    }
    for key in ("batch_max_events", "batch_max_bytes", "batch_linger_ms", "client_certificate", "ca_certificate"):
        if key in config.model_fields_set:
            shown[key] = getattr(config, key)
    if config.headers:
        shown["headers"] = dict.fromkeys(config.headers, HIDDEN)
    if config.standard_webhooks is not None:
        shown["standard_webhooks"] = config.standard_webhooks.public(HIDDEN)
    if config.client_key is not None:
        shown["client_key"] = HIDDEN
    if config.oauth2 is not None:
        shown["oauth2"] = config.oauth2.public(HIDDEN)
    return shown


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _check_name(host: str) -> None:
    labels = host.removesuffix(".").split(".")
    if len(host) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("its host is no name: labels of 1 to 63 letters, digits, - and _, with dots between")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("its host is a number, but no IP address as a.b.c.d or [a:b::c]")


def _ascii_form(host: str) -> str:
    """Words for an error: how the name of ``host`` is written in ASCII, where that can be told."""
    try:
        return f": {URL.build(scheme='https', host=host).raw_host}"
    except (ValueError, UnicodeError):
        return ""
