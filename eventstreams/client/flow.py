"""What flows through an installation: answers of ``/v1/Events``, ``/v1/Flow`` and ``/v1/Backlog``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from eventstreams.client.models import Lag, Model

Count = Annotated[int, Field(ge=0)]


class DeliveryCounts(Model):
    """How many subscriptions an event is so far for."""

    delivered: Count = 0
    retrying: Count = 0
    dead: Count = 0
    waiting: Count = 0
    """Nothing was tried yet, or it was redriven."""
    filtered_or_waiting: Count = 0
    """Subscriptions with a filter, where nothing was tried: the page of the event says which it is."""


class Event(Model):
    """An event that was accepted, without what it holds."""

    id: str
    account_sid: str
    type: str
    time: str
    """As its producer wrote it."""
    accepted_at: datetime
    deliveries: DeliveryCounts = DeliveryCounts()
    """What became of it: all 0 where no subscription is for it."""


class CloudEventOf(Model):
    """An event as its subscribers get it."""

    event_id: str
    cloud_event: Mapping[str, object] | None
    """Null: it cannot be read."""
    problem: str | None
    """Why it cannot be read."""
    size_bytes: Count
    """Of its data, as Avro."""
    url: str


class AcceptedOfType(Model):
    """Events of one type."""

    type: str
    product: str | None
    """Null: the type is not in the catalogue any more."""
    events: Count


class DeliveriesOf(Model):
    """What happened to events of one type and subscription at one sink, by outcome."""

    subscription_sid: str | None
    """Null: a test event, or it could not be told."""
    sink_sid: str | None
    type: str
    product: str | None
    delivered: Count
    retry_later: Count
    rejected: Count
    died: Count
    """Became dead letters without another attempt."""
    redriven: Count


class Flow(Model):
    """What flowed in a short time. Each rate is a count divided by its seconds."""

    since: datetime
    until: datetime
    accepted: Sequence[AcceptedOfType]
    accepted_seconds: float
    deliveries: Sequence[DeliveriesOf]
    deliveries_seconds: float
    lag: Lag | None
    url: str


class SubscriptionWaiting(Model):
    """What waits on one subscription's topic for its first attempt."""

    subscription_sid: str
    sink_sid: str
    waiting: Count
    """At most: redrives leave marks that count as events."""
    oldest_waiting: datetime | None


class Waiting(Model):
    """What waits for its first attempt."""

    subscriptions: Sequence[SubscriptionWaiting]
    url: str
