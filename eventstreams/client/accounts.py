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
    """The page that a list of the reference's first API is on; its links are relative."""

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
    """In the answer to its creation alone."""
    friendly_name: str
    owner_account_sid: str
    status: Annotated[AccountStatus | str, Open]
    type: str
    date_created: str
    """In the form of mails (RFC 2822)."""
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
    """An API key that was just made."""

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
    """An API key that was just made."""

    secret: Secret
    """Not shown again."""


class TokenPromotion(Model):
    """That the second token is the first now."""

    account_sid: str
    auth_token: None
    date_created: datetime
    date_updated: datetime
    url: str


class TokenRotation(Model):
    """That a second auth token counts beside the first."""

    account_sid: str
    date_promoted: datetime | None
    """When it takes the place of the first by itself."""
    date_created: datetime
    date_updated: datetime
    url: str


class SecondaryToken(TokenRotation):
    """A second auth token that was just made."""

    secondary_auth_token: Secret
    """Not shown again."""


class Account(Model):
    """An account, as its operator sees it."""

    sid: str
    friendly_name: str
    owner_account_sid: str | None
    status: Annotated[AccountStatus | str, Open]
    rotating: bool
    """A second token counts beside the first."""
    date_promoted: datetime | None
    date_created: datetime
    date_updated: datetime
    url: str


class AccountWithToken(Account):
    """An account whose token was just made."""

    auth_token: Secret
    """Not shown again."""


class SecretRotation(Model):
    """How far the secrets are under the first key."""

    reencrypted: int
    left: int


class AuditEvent(Model):
    """One write: who, what, when, from where."""

    sid: str
    date_created: datetime
    summary: str = ""
    """What was done, or asked for, in words, with the name that the thing has now; else its method and route."""
    account_sid: str | None
    actor_type: str
    actor_sid: str | None
    method: str
    route: str
    resource_sid: str | None
    fields: Sequence[str]
    """Names of the parameters that were given."""
    source_ip_address: str | None
    outcome: str
    status: int | None
