"""Answers about accounts, keys and the audit trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import SecretStr, WithJsonSchema

from eventstreams.client.models import Model
from eventstreams.client.values import Open
from eventstreams.control.records import AccountStatus, KeyScope

Secret = Annotated[SecretStr, WithJsonSchema({"type": "string"})]
"""``get_secret_value()`` is the text; it shows in no ``repr``."""


class Page2010(Model):
    """Position of a page in a list of the reference's first API; its links are relative."""

    page: int
    page_size: int
    start: int
    end: int
    first_page_uri: str
    previous_page_uri: str | None
    next_page_uri: str | None
    uri: str


class Account2010(Model):
    """An account, as the reference's first API has it."""

    sid: str
    auth_token: Secret | None
    """Only in the response to its creation."""
    friendly_name: str
    owner_account_sid: str
    status: Annotated[AccountStatus | str, Open]
    type: str
    date_created: str
    """In RFC 2822 format."""
    date_updated: str
    uri: str
    subresource_uris: Mapping[Literal["keys"], str]


class Key2010(Model):
    """An API key, as the reference's first API has it."""

    sid: str
    friendly_name: str
    date_created: str
    date_updated: str


class NewKey2010(Key2010):
    """An API key that was just created."""

    secret: Secret


class Key(Model):
    """An API key."""

    sid: str
    account_sid: str
    friendly_name: str
    scope: Annotated[KeyScope | str, Open]
    date_created: datetime
    date_updated: datetime
    url: str


class NewKey(Key):
    """An API key that was just created."""

    secret: Secret
    """Not shown again."""


class TokenPromotion(Model):
    """Confirmation that the second token is now the first."""

    account_sid: str
    auth_token: None
    date_created: datetime
    date_updated: datetime
    url: str


class TokenRotation(Model):
    """Confirmation that a second auth token is valid alongside the first."""

    account_sid: str
    date_promoted: datetime | None
    """When it automatically replaces the first."""
    date_created: datetime
    date_updated: datetime
    url: str


class SecondaryToken(TokenRotation):
    """A second auth token that was just created."""

    secondary_auth_token: Secret
    """Not shown again."""


class Account(Model):
    """An account, as its operator sees it."""

    sid: str
    friendly_name: str
    owner_account_sid: str | None
    status: Annotated[AccountStatus | str, Open]
    rotating: bool
    """Whether a second token is valid alongside the first."""
    date_promoted: datetime | None
    date_created: datetime
    date_updated: datetime
    url: str


class AccountWithToken(Account):
    """An account whose token was just created."""

    auth_token: Secret
    """Not shown again."""


class SecretRotation(Model):
    """Progress of re-encrypting secrets with the first key."""

    reencrypted: int
    left: int


class AuditEvent(Model):
    """One write: who, what, when, from where."""

    sid: str
    date_created: datetime
    summary: str = ""
    """Description of what was done or requested, with the resource's present name; otherwise its method and route."""
    account_sid: str | None
    actor_type: str
    actor_sid: str | None
    method: str
    route: str
    resource_sid: str | None
    fields: Sequence[str]
    """Names of the given parameters."""
    source_ip_address: str | None
    outcome: str
    status: int | None
