"""Answers about dead letters, redrives and replays."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from eventstreams.client.models import Model
from eventstreams.client.values import FINISHED, JobStatus, Open, SkipReason


class DeadLetter(Model):
    """An event that was not delivered to a subscription, without its data."""

    id: str
    """Such as ``webhook.0.1234``."""
    account_sid: str
    subscription_sid: str | None
    sink_type: str
    event_id: str | None
    event_type: str | None
    reason: str | None
    code: int | None
    detail: str | None
    attempts: int | None
    status: int | None
    """HTTP status of the last answer."""
    answer: str | None
    date_died: datetime
    date_accepted: datetime | None
    date_first_attempt: datetime | None
    date_last_attempt: datetime | None
    origin: str | None
    job_sid: str | None
    """The redrive or replay that the event came from."""
    url: str


class DeadLetterWithData(DeadLetter):
    """A dead letter with its data."""

    event_source: str | None
    event_time: str | None
    dataschema: str | None
    data: Mapping[str, object] | None
    data_problem: str | None
    """Why ``data`` is null or incomplete."""
    size_bytes: int


class Header(Model):
    """One header of a record, as text, cut to 256 characters."""

    name: str
    value: str


class RouterDeadLetter(Model):
    """An event that the router could not read, as the operator sees it. Its headers may contain anything."""

    id: str
    topic: str
    partition: int
    offset: int
    origin: str | None
    """``topic/partition/offset`` of the record that was published."""
    reason: str | None
    code: int | None
    detail: str | None
    date_died: datetime
    account_sid: str | None
    event_id: str | None
    event_type: str | None
    headers: Sequence[Header]
    """The first 30."""
    more_headers: int
    size_bytes: int
    """Size of the record's value."""


class Selection(Model):
    """The selection of a job, as requested; null and empty lists mean any."""

    subscription_sid: str | None
    types: Sequence[str]
    event_ids: Sequence[str]
    reasons: Sequence[str]
    codes: Sequence[int]
    dead_letter_ids: Sequence[str]
    after: datetime | None
    filter: str | None
    before: datetime | None


class _JobPreview(Model):
    selection: Selection
    rate: int
    """Events per second."""
    selected: int
    skipped: Mapping[Annotated[SkipReason | str, Open], int]
    oldest: datetime | None
    newest: datetime | None
    expected_minutes: float
    complete: bool
    """False: there may be more than were counted."""


class RedrivePreview(_JobPreview):
    """What a redrive would do now."""

    redriven: int


class ReplayPreview(_JobPreview):
    """What a replay would do now."""

    replayed: int


class Job(Model):
    """A redrive or a replay, and how far it is."""

    sid: str
    account_sid: str
    status: Annotated[JobStatus | str, Open]
    selection: Selection
    rate: int
    """Maximum rate, in events per second."""
    selected: int
    skipped: Mapping[Annotated[SkipReason | str, Open], int]
    looked_through: Annotated[float, Field(ge=0, le=1)]
    """Share of the records that the job has already searched, from 0 to 1."""
    waiting_because: str | None
    error_code: int | None
    error_message: str | None
    date_created: datetime
    date_started: datetime | None
    date_updated: datetime
    url: str

    @property
    def finished(self) -> bool:
        """It is completed, failed or cancelled: nothing changes any more."""
        return self.status in FINISHED


class Redrive(Job):
    """A job that copies dead letters back to their subscriptions' topics."""

    redriven: int


class Replay(Job):
    """A job that copies accepted events to one subscription's topic."""

    replayed: int
