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
    """Position of a page in a list."""

    page: int
    page_size: int
    first_page_url: str
    previous_page_url: str | None
    url: str
    next_page_url: str | None
    """Absolute; null on the last page."""
    key: str
    """Name of the field that has the list."""


class ErrorBody(Model):
    """What every refusal looks like."""

    code: int
    """Twilio's error code; those of sinks and subscriptions are 91000 and up."""
    message: str
    """What is wrong, and how to fix it."""
    more_info: str
    status: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status."""
    details: Mapping[str, object] | None = None
    """Further details, if any."""


class Lag(Model):
    """How far the delivery log is behind; null while that is unknown."""

    records: Annotated[int, Field(ge=0)]
    seconds: float | None


class SinkDelivery(Model):
    """A sink's delivery settings."""

    sink_sid: str
    paused: bool
    """Its events wait until their deadlines."""
    rate_limit: float | None
    """Events per second; null: no limit."""
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
    """Result of checking a sink's destination, without delivering an event."""

    sink_sid: str
    sink_type: str
    outcome: Literal["delivered", "retry_later", "rejected"]
    """``delivered``: the destination exists and accepts our credentials. Otherwise: what would become of an event with
    that answer."""
    reason: str | None
    code: int | None
    """As in the delivery log; null: no problem was found."""
    detail: str
    answer: str


class SinkConfiguration(Model):
    """Where and how a sink delivers, without its secrets."""

    sink_sid: str
    sink_type: str
    status: str
    sink_configuration: Mapping[str, object]
    date_updated: datetime
    url: str


class SubscriptionDelivery(Model):
    """A subscription's delivery settings."""

    account_sid: str
    subscription_sid: str
    paused: bool
    ttl: Annotated[float, Field(gt=0)]
    """Seconds for which an event is retried."""
    filter: str | None
    """CEL expression; null: everything is delivered."""
    retry_delays: Sequence[float]
    """Longest delay in seconds after the first, second, … attempt; the last one repeats."""
    max_attempts: int | None
    """Null: no limit until the deadline."""
    partitions: int
    url: str


class PlannedAttempt(Model):
    """One attempt for an event whose attempts all fail."""

    attempt: Annotated[int, Field(ge=1)]
    longest_wait: float
    """Seconds after the previous attempt."""
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
    """The subscription's limit; null: no limit until the deadline."""
    complete: bool
    """False: there are more than those listed."""
    url: str


class PreviousSecret(Model):
    """A secret that is still used for signing in addition to the current one."""

    scheme: str
    date_expires: datetime


class SigningSecret(Model):
    """What receivers verify signatures with. Custom sink types may have more fields."""

    sink_sid: str
    scheme: str | None = None
    secret: Annotated[SecretStr, WithJsonSchema({"type": "string"})] | None = None
    """For a shared secret: ``secret.get_secret_value()``."""
    public_key: str | None = None
    """For signatures that are verified with a public key."""
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
    """Events on one subscription's topic that wait for their first attempt."""

    subscription_sid: str
    paused: bool
    waiting: int
    oldest_waiting: datetime | None


class SinkHealthReport(Model):
    """Present health of a sink."""

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
    """Upper bound on the events that wait for their first attempt."""
    oldest_waiting: datetime | None
    subscriptions: Sequence[SubscriptionBacklog]
    lag: Lag | None
    url: str


class TypeAndVersion(Model):
    """An event type in a version of its schema."""

    type: str
    schema_version: int


class JudgedEvent(Model):
    """An event, and the result of applying a filter to it."""

    id: str
    type: str
    accepted_at: datetime
    verdict: Annotated[FilterVerdict | str, Open]
    detail: str | None


class FilterPreview(Model):
    """The result of applying a filter to events."""

    filter: str | None
    types: Sequence[TypeAndVersion]
    verdicts: Mapping[str, int]
    """Number of events by verdict; all but ``excluded`` and ``undecided`` would be delivered."""
    delivered: int
    events: Sequence[JudgedEvent]
    """The newest."""
    complete: bool
    """False: there are older events that were not checked."""


class Attempt(Model):
    """One thing that happened to an event's copy for one subscription."""

    event_id: str
    event_type: str
    account_sid: str
    subscription_sid: str | None
    """Null for a test event, or if it is unknown."""
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
    """Where the event was put: topic/partition/offset."""


class DeliveryLinks(Model):
    """Related resources."""

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
    """Where an event is, for each matching subscription."""

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
