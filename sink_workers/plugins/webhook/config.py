"""The ``SinkConfiguration`` of a webhook sink."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from yarl import URL

from eventstreams.sinks import HIDDEN
from sink_workers.plugins.hosts import MAX_HOST, check_authority, url_of
from sink_workers.plugins.tls import Authorities, ClientCertificate, ClientKey, check_pair
from sink_workers.plugins.webhook.custom_headers import check_headers
from sink_workers.plugins.webhook.oauth import OAuthConfig
from sink_workers.plugins.webhook.standard_webhooks import StandardWebhooksConfig

_MAX_URL: Final = 2048  # what receivers and proxies commonly take


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class WebhookConfig(BaseModel):
    """Where to deliver and how. Its ``repr`` and its validation messages hold no secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    destination: Annotated[
        str,
        Field(
            max_length=_MAX_URL,
            repr=False,
            description="http or https URL. A user and password in it are sent as Basic authentication.",
        ),
    ]
    method: Annotated[
        Literal["post", "get"],
        BeforeValidator(_lower),
        Field(description="A GET carries the same JSON body."),
    ] = "post"
    batch_events: Annotated[bool, Field(description="Whether a request may carry several events.")] = False
    batch_max_events: Annotated[
        int, Field(ge=1, le=1000, description="Maximum number of events per request, if it may carry several.")
    ] = 100
    batch_max_bytes: Annotated[
        int,  # the default is the only limit of a batch that the reference documents
        Field(ge=4096, le=1 << 20, description="Maximum size of a body, in bytes, unless a single event is larger."),
    ] = 64 * 1024
    batch_linger_ms: Annotated[
        int, Field(ge=0, le=10_000, description="How long events may wait for others, in milliseconds.")
    ] = 500
    headers: Annotated[
        Mapping[str, SecretStr], Field(description="Headers to send with every request, in addition to ours.")
    ] = {}
    standard_webhooks: Annotated[
        StandardWebhooksConfig | None, Field(description="Also sign according to https://www.standardwebhooks.com.")
    ] = None
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None
    ca_certificate: Authorities = None
    oauth2: Annotated[
        OAuthConfig | None, Field(description="Send an access token, obtained with client credentials.")
    ] = None

    @field_validator("destination")
    @classmethod
    def _is_a_url(cls, destination: str) -> str:
        try:
            url = url_of(destination)
            host = url.raw_host or ""
        except ValueError:
            raise ValueError("it is not a URL") from None
        if url.scheme not in {"http", "https"} or not host or url.port is None:
            raise ValueError("it must be an http or https URL with a host")
        if not host.isascii():
            raise ValueError(f"its host must be in the ASCII form of international names{_ascii_form(host)}")
        if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in destination):  # noqa: PLR2004
            raise ValueError("it must be percent-encoded ASCII without spaces")
        check_authority(url)
        return destination

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        check_headers({name: value.get_secret_value() for name, value in headers.items()})
        return headers

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.batch_events:
            for key in ("batch_max_events", "batch_max_bytes", "batch_linger_ms"):
                if key in self.model_fields_set:
                    raise ValueError(f"{key} is only for sinks with batch_events: true")
        check_pair(self.client_certificate, self.client_key)
        if not self.url.startswith("https:") and (self.client_certificate or self.ca_certificate) and not self.oauth2:
            raise ValueError("certificates require an https destination")
        ways = {
            "destination (its user)": self.credentials is not None,
            "headers (Authorization)": any(name.lower() == "authorization" for name in self.headers),
            "oauth2": self.oauth2 is not None,
        }
        given = [way for way, is_given in ways.items() if is_given]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} each set the Authorization header: give only one of them")
        return self

    @property
    def url(self) -> str:
        """The destination without user, password and fragment, else as spelled: the URL to request and to sign."""
        scheme, _, rest = self.destination.partition("#")[0].partition("://")
        authority = re.split("[/?]", rest, maxsplit=1)[0]
        path = rest.removeprefix(authority)
        root = "" if path.startswith("/") else "/"  # the request line has one, and a receiver sees it
        return f"{scheme.lower()}://{authority.rpartition('@')[2]}{root}{path.removesuffix('?')}"

    @property
    def credentials(self) -> tuple[str, str] | None:
        """The destination's user and password, decoded; None if it has none."""
        url = URL(self.destination, encoded=True)
        if url.raw_user is None and url.raw_password is None:
            return None
        return unquote(url.raw_user or ""), unquote(url.raw_password or "")


def public(config: WebhookConfig) -> dict[str, object]:
    """The configuration as the API shows it: the reference's keys, and those of our own that were given; no secrets."""
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


def _ascii_form(host: str) -> str:
    """A suffix for an error: the ASCII form of ``host``, if it can be computed, and quickly."""
    if len(host) > MAX_HOST:  # 2,000 of certain letters take 170 ms
        return ""
    try:
        return f": {URL.build(scheme='https', host=host).raw_host}"
    except (ValueError, UnicodeError):
        return ""
