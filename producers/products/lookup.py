"""Lookup: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, Record, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds(Record):
    """When a job gives up."""

    error: int | None = None
    """Most errors, in percent of the numbers."""

    @override
    def as_data(self) -> Data:
        return {
            "error": self.error,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Record):
    """What came out of a job."""

    total_count: int | None = None
    """Numbers in the job."""
    processed_count: int | None = None
    """Numbers that were looked up, well or not."""
    success_count: int | None = None
    """Numbers that were found."""
    error_count: int | None = None
    """Numbers that were not."""
    file_url: str | None = None
    """Where the results are to be fetched."""
    details: str | None = None
    """What else is to be said, in words; absent where nothing is."""

    @override
    def as_data(self) -> Data:
        return {
            "total_count": self.total_count,
            "processed_count": self.processed_count,
            "success_count": self.success_count,
            "error_count": self.error_count,
            "file_url": self.file_url,
            "details": self.details,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkJobStatusChanged(ProductEvent):
    """A job that looks many numbers up has moved on (``Lookup.BulkEvent``, version 2)."""

    TYPE = "com.twilio.lookup.bulk.job-status-changed"

    job_sid: str
    """SID of the job, JB and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Its name, as its owner sees it."""
    description: str | None = None
    """What it is for, in its owner's words; empty where nothing was said."""
    status: str | None = None
    """How far it is, such as queued, processing, completed or failed."""
    created_at: str | None = None
    """When it was created, RFC 3339."""
    completed_at: str | None = None
    """When it ended; absent until then."""
    twilio_error_code: int | None = None
    """Why it failed; absent where it has not."""
    thresholds: Thresholds | None = None
    """When it gives up."""
    result: Result | None = None
    """What came out; absent until it ends."""

    @override
    def event(self) -> Event:
        data: Data = {
            "job_sid": self.job_sid,
            "friendly_name": self.friendly_name,
            "description": self.description,
            "status": self.status,
            "created_at": self.created_at,
            "completed_at": self.completed_at,
            "twilio_error_code": self.twilio_error_code,
            "thresholds": plain(self.thresholds),
            "result": plain(self.result),
        }
        return self._event(data, version=2, source=f"/v2/bulk/{self.job_sid}", key=self.job_sid)
