"""Answers of the reference's 22 operations, for the document that the API serves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from eventstreams.catalog import EventTypeStatus
from eventstreams.client.models import Model
from eventstreams.client.values import Open
from eventstreams.control.records import SinkStatus


class EventType(Model):
    """A type of event."""

    type: str
    schema_id: str
    date_created: datetime
    date_updated: datetime
    description: str
    status: Annotated[EventTypeStatus | str, Open]
    documentation_url: str | None
    url: str
    links: Mapping[Literal["schema"], str]


class Schema(Model):
    """What the data of some event types looks like."""

    id: str
    url: str
    links: Mapping[Literal["versions"], str]
    latest_version_date_created: datetime
    latest_version: int


class SchemaVersion(Model):
    """One version of a schema."""

    id: str
    schema_version: int
    date_created: datetime
    url: str
    raw: str
    """Public URL of its JSON Schema."""


class Sink(Model):
    """Where events are delivered."""

    date_created: datetime
    date_updated: datetime
    description: str
    sid: str
    sink_configuration: Mapping[str, object]
    """Without its secrets."""
    sink_type: str
    status: Annotated[SinkStatus | str, Open]
    url: str
    links: Mapping[Literal["sink_test", "sink_validate"], str]


class SinkTest(Model):
    """Confirmation that a test event is on its way."""

    result: Literal["submitted"]


class SinkValidation(Model):
    """Confirmation that a test event has arrived."""

    result: Literal["valid"]


class Subscription(Model):
    """Which events go to a sink."""

    account_sid: str
    sid: str
    date_created: datetime
    date_updated: datetime
    description: str
    sink_sid: str
    receive_events_from_subaccounts: bool
    url: str
    links: Mapping[Literal["subscribed_events"], str]


class SubscribedEvent(Model):
    """An event type of a subscription."""

    account_sid: str
    type: str
    schema_version: int
    subscription_sid: str
    url: str
