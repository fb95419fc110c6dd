"""What flows through an installation: answers of ``/v1/Events``, ``/v1/Flow`` and ``/v1/Backlog``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from eventstreams.client.models import Lag, Model

Count = Annotated[int, Field(ge=0)]


class DeliveryCounts(Model):
    """For how many subscriptions an event is in each state."""

    delivered: Count = 0
    retrying: Count = 0
    dead: Count = 0
    waiting: Count = 0
    """Not attempted yet, or redriven."""
    filtered_or_waiting: Count = 0
    """Subscriptions with a filter and no attempt yet: fetch the event to see which it is."""


class Event(Model):
    """An accepted event, without its data."""

    id: str
    account_sid: str
    type: str
    time: str
    """As its producer wrote it."""
    accepted_at: datetime
    deliveries: DeliveryCounts = DeliveryCounts()
    """What became of it: all 0 if no subscription matches it."""


class CloudEventOf(Model):
    """An event as its subscribers get it."""

    event_id: str
    cloud_event: Mapping[str, object] | None
    """Null if it cannot be read."""
    problem: str | None
    """Why it cannot be read."""
    size_bytes: Count
    """Size of its data as Avro."""
    url: str


class AcceptedOfType(Model):
    """Events of one type."""

    type: str
    product: str | None
    """Null: the type is no longer in the catalogue."""
    events: Count


class DeliveriesOf(Model):
    """What happened to events of one type and subscription at one sink, by outcome."""

    subscription_sid: str | None
    """Null for a test event, or if it is unknown."""
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
    """Traffic in a short period. Each rate is a count divided by its seconds."""

    since: datetime
    until: datetime
    accepted: Sequence[AcceptedOfType]
    accepted_seconds: float
    deliveries: Sequence[DeliveriesOf]
    deliveries_seconds: float
    lag: Lag | None
    url: str


class SubscriptionWaiting(Model):
    """Events on one subscription's topic that wait for their first attempt."""

    subscription_sid: str
    sink_sid: str
    waiting: Count
    """Upper bound: markers left by redrives count as events."""
    oldest_waiting: datetime | None


class Waiting(Model):
    """Events that wait for their first attempt."""

    subscriptions: Sequence[SubscriptionWaiting]
    url: str
