"""Answers of the API's extensions. The document that the API serves is made of them, and so is the client."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, WithJsonSchema

from eventstreams.attempts import EntryKind
from eventstreams.client.values import DeliveryState, FilterVerdict, Open, SinkHealth
from eventstreams.control.records import Throttle


class Model(BaseModel):
    """Of an answer. What a later release adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Meta(Model):
    """The page that a list is on."""

    page: int
    page_size: int
    first_page_url: str
    previous_page_url: str | None
    url: str
    next_page_url: str | None
    """Absolute; null on the last page."""
    key: str
    """Name of the list beside this."""


class ErrorBody(Model):
    """What every refusal looks like."""

    code: int
    """The reference's code; those of sinks and subscriptions are 91000 and up."""
    message: str
    """What was wrong, and what would be right."""
    more_info: str
    status: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status."""
    details: Mapping[str, object] | None = None
    """More, where there is more to say."""


class Lag(Model):
    """How far the delivery log is behind; null in its place while that is not known."""

    records: Annotated[int, Field(ge=0)]
    seconds: float | None


class SinkDelivery(Model):
    """How a sink is delivered to."""

    sink_sid: str
    paused: bool
    """Its events wait, until their deadlines."""
    rate_limit: float | None
    """Events a second; null: no limit."""
    throttle: Annotated[Throttle | str, Open]
    url: str


class SampleLinks(Model):
    event: str
    attempts: str


class Sample(Model):
    """A sample event that is on its way to a sink."""

    result: str
    sink_sid: str
    event_id: str
    type: str
    schema_version: int
    links: SampleLinks


class SinkProbe(Model):
    """What a look at a sink's destination found; it leaves no event there."""

    sink_sid: str
    sink_type: str
    outcome: Literal["delivered", "retry_later", "rejected"]
    """``delivered``: the destination is there and lets us in. Else what became of an event, if it were answered so."""
    reason: str | None
    code: int | None
    """As in the delivery log; null: nothing was found wrong."""
    detail: str
    answer: str


class SinkConfiguration(Model):
    """Where a sink delivers to and how, without its secrets."""

    sink_sid: str
    sink_type: str
    status: str
    sink_configuration: Mapping[str, object]
    date_updated: datetime
    url: str


class SubscriptionDelivery(Model):
    """How a subscription is delivered."""

    account_sid: str
    subscription_sid: str
    paused: bool
    ttl: Annotated[float, Field(gt=0)]
    """Seconds for which an event is tried."""
    filter: str | None
    """In CEL; null: everything is delivered."""
    retry_delays: Sequence[float]
    """Seconds, the longest wait after the first, second, … attempt; the last repeats."""
    max_attempts: int | None
    """Null: as many as there are until the deadline."""
    partitions: int
    url: str


class PlannedAttempt(Model):
    """One attempt of an event whose attempts all fail."""

    attempt: Annotated[int, Field(ge=1)]
    longest_wait: float
    """Seconds after the attempt before."""
    expected_at: datetime
    latest_at: datetime


class RetrySchedule(Model):
    """When an event that is accepted now would be tried."""

    account_sid: str
    subscription_sid: str
    accepted_at: datetime
    deadline: datetime
    ttl: float
    """Seconds."""
    attempts: Sequence[PlannedAttempt]
    max_attempts: int | None
    """Of the subscription; null: as many as there are until the deadline."""
    complete: bool
    """False: there are more than are shown."""
    url: str


class PreviousSecret(Model):
    """A secret that still signs beside the current one."""

    scheme: str
    date_expires: datetime


class SigningSecret(Model):
    """What receivers check signatures with. A sink type of somebody's own may show more."""

    sink_sid: str
    scheme: str | None = None
    secret: Annotated[SecretStr, WithJsonSchema({"type": "string"})] | None = None
    """Where both sides have the same one: ``secret.get_secret_value()``."""
    public_key: str | None = None
    """Where signatures are checked with one."""
    previous: Sequence[PreviousSecret] = ()
    url: str


class SinkError(Model):
    """A sink's last failure."""

    at: datetime
    outcome: Annotated[EntryKind | str, Open]
    event_id: str
    subscription_sid: str | None
    attempt: int
    reason: str | None
    code: int | None
    status: int | None
    detail: str | None
    answer: str | None
    """The start of what the sink answered."""
    next_try_at: datetime | None


class SubscriptionBacklog(Model):
    """What waits on one subscription's topic for its first attempt."""

    subscription_sid: str
    paused: bool
    waiting: int
    oldest_waiting: datetime | None


class SinkHealthReport(Model):
    """How a sink is now."""

    sink_sid: str
    state: Annotated[SinkHealth | str, Open]
    summary: str
    """One or two sentences for its owner."""
    paused: bool
    failures_in_a_row: int
    failing_since: datetime | None
    last_delivered_at: datetime | None
    last_error: SinkError | None
    waiting: int
    """Events that wait for their first attempt, at most."""
    oldest_waiting: datetime | None
    subscriptions: Sequence[SubscriptionBacklog]
    lag: Lag | None
    url: str


class TypeAndVersion(Model):
    """An event type in a version of its schema."""

    type: str
    schema_version: int


class JudgedEvent(Model):
    """An event, and what a filter makes of it."""

    id: str
    type: str
    accepted_at: datetime
    verdict: Annotated[FilterVerdict | str, Open]
    detail: str | None


class FilterPreview(Model):
    """What a filter makes of events."""

    filter: str | None
    types: Sequence[TypeAndVersion]
    verdicts: Mapping[str, int]
    """How many events there are of each; all but ``excluded`` and ``undecided`` would be delivered."""
    delivered: int
    events: Sequence[JudgedEvent]
    """The newest."""
    complete: bool
    """False: there are older events that were not looked at."""


class Attempt(Model):
    """One thing that happened to an event's copy for one subscription."""

    event_id: str
    event_type: str
    account_sid: str
    subscription_sid: str | None
    """Null: a test event, or it could not be told."""
    sink_sid: str | None
    sink_type: str
    attempt: int
    outcome: Annotated[EntryKind | str, Open]
    reason: str | None
    code: int | None
    status: int | None
    detail: str | None
    answer: str | None
    began_at: datetime
    duration_ms: int | None
    next_try_at: datetime | None
    accepted_at: datetime | None
    deadline: datetime | None
    origin: str | None
    put_on: str | None
    """Where it was put: topic/partition/offset."""


class DeliveryLinks(Model):
    """Where to go on."""

    attempts: str


class Delivery(Model):
    """One subscription's part of an event."""

    subscription_sid: str | None
    sink_sid: str | None
    state: Annotated[DeliveryState | str, Open]
    paused: bool
    topic: str | None
    partition: int | None
    offset: int | None
    attempts: int
    last_at: datetime | None
    reason: str | None
    code: int | None
    status: int | None
    detail: str | None
    answer: str | None
    next_try_at: datetime | None
    deadline: datetime | None
    links: DeliveryLinks


class EventTimeline(Model):
    """Where an event is, for each subscription that it is for."""

    id: str
    account_sid: str
    type: str
    time: str | None
    accepted_at: datetime | None
    topic: str | None
    partition: int | None
    offset: int | None
    deliveries: Sequence[Delivery]
    lag: Lag | None
    url: str
