"""Conversational Intelligence: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class _TranscriptEvent(ProductEvent):
    """The transcript of a conversation is ready, or what operators found in it
    (``EngagementIntelligence.TranscriptEvent``, version 1).
    """

    service_sid: str
    """SID of the Intelligence service, GA and 32 hexadecimal digits."""
    transcript_sid: str
    """SID of the transcript, GT and 32 hexadecimal digits."""
    date_created: str | None = None
    """When that was ready, RFC 3339 with milliseconds."""

    @override
    def event(self) -> Event:
        data: Data = {
            "service_sid": self.service_sid,
            "transcript_sid": self.transcript_sid,
            "account_sid": self.account_sid,
            "date_created": self.date_created,
        }
        return self._event(data, version=1, source=f"/v2/Transcripts/{self.transcript_sid}", key=self.transcript_sid)


class TranscriptFinished(_TranscriptEvent):
    """The transcript of a conversation is ready.

    Restricted: only who is subscribed to it already gets it.
    """

    TYPE = "com.twilio.engagement-intelligence.transcript.finished"


class TranscriptOperatorsResultsAvailable(_TranscriptEvent):
    """Operators have found something in a transcript.

    Restricted: only who is subscribed to it already gets it.
    """

    TYPE = "com.twilio.engagement-intelligence.transcript.operators.results-available"
