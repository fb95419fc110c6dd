"""Voice: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from typing_extensions import deprecated, override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, Record, ids, plain, timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Record):
    """The HTTP request that was made."""

    method: str | None = None
    """HTTP method."""
    url: str | None = None
    """Where it went."""
    parameters: Mapping[str, bool | int | float | str | None] | None = None
    """What it carried, by parameter name."""

    @override
    def as_data(self) -> Data:
        return {
            "method": self.method,
            "url": self.url,
            "parameters": self.parameters,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Record):
    """The answer to the HTTP request."""

    response_code: int | None = None
    """HTTP status code."""
    request_duration: int | None = None
    """How long the request took, in ms."""
    content_type: str | None = None
    """Content type of the answer."""
    response_body: str | None = None
    """Body of the answer, in base64."""
    date_created: str | None = None
    """When the answer came, RFC 2822."""

    @override
    def as_data(self) -> Data:
        return {
            "responseCode": self.response_code,
            "requestDuration": self.request_duration,
            "contentType": self.content_type,
            "responseBody": self.response_body,
            "dateCreated": self.date_created,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _WebhookEvent(ProductEvent):
    """An HTTP request about a call: a callback, a request for instructions, or an API request
    (``Voice.WebhookEvent``, version 2).
    """

    id: str = field(default_factory=ids("VW"))
    sid: str
    """SID of the call, CA and 32 hexadecimal digits."""
    request_date_created: str | None = None
    """When the request was made, RFC 2822."""
    request: Request | None = None
    """The HTTP request that was made."""
    response: Response | None = None
    """The answer to it."""

    @override
    def event(self) -> Event:
        data: Data = {
            "sid": self.sid,
            "eventSid": self.id,
            "timestamp": timestamp(self.time),
            "requestDateCreated": self.request_date_created,
            "request": plain(self.request),
            "response": plain(self.response),
        }
        return self._event(
            data,
            version=2,
            source=f"/2010-04-01/Accounts/{self.account_sid}/Calls/{self.sid}.json",
            key=self.sid,
        )


class ApiRequestCallCreated(_WebhookEvent):
    """A call was created through the API."""

    TYPE = "com.twilio.voice.api-request.call.created"


class ApiRequestCallModified(_WebhookEvent):
    """A call was changed through the API."""

    TYPE = "com.twilio.voice.api-request.call.modified"


class ApiRequestConferenceParticipantCreated(_WebhookEvent):
    """A participant was added through the API."""

    TYPE = "com.twilio.voice.api-request.conference-participant.created"


class ApiRequestConferenceParticipantDeleted(_WebhookEvent):
    """A participant was removed through the API."""

    TYPE = "com.twilio.voice.api-request.conference-participant.deleted"


class ApiRequestConferenceParticipantModified(_WebhookEvent):
    """A participant was changed through the API."""

    TYPE = "com.twilio.voice.api-request.conference-participant.modified"


class ApiRequestConferenceModified(_WebhookEvent):
    """A conference was changed through the API."""

    TYPE = "com.twilio.voice.api-request.conference.modified"


class MediaFetched(_WebhookEvent):
    """A media file for a call was fetched."""

    TYPE = "com.twilio.voice.media.fetched"


class StatusCallbackAmdDetected(_WebhookEvent):
    """It was found out whether a person or a machine answered."""

    TYPE = "com.twilio.voice.status-callback.amd.detected"


class StatusCallbackAnnouncementProcessed(_WebhookEvent):
    """An announcement to a conference was played."""

    TYPE = "com.twilio.voice.status-callback.announcement.processed"


class CallAnswered(_WebhookEvent):
    """The call was answered."""

    TYPE = "com.twilio.voice.status-callback.call.answered"


class CallCompleted(_WebhookEvent):
    """The call is over, whatever its outcome."""

    TYPE = "com.twilio.voice.status-callback.call.completed"


class CallInitiated(_WebhookEvent):
    """An outgoing call has left the queue and is being dialled."""

    TYPE = "com.twilio.voice.status-callback.call.initiated"


class CallRinging(_WebhookEvent):
    """The called phone rings."""

    TYPE = "com.twilio.voice.status-callback.call.ringing"


class StatusCallbackConferenceParticipantUpdated(_WebhookEvent):
    """A participant's state has changed."""

    TYPE = "com.twilio.voice.status-callback.conference.participant.updated"


class StatusCallbackConferenceUpdated(_WebhookEvent):
    """A conference's state has changed."""

    TYPE = "com.twilio.voice.status-callback.conference.updated"


class StatusCallbackGatherPartialCaptured(_WebhookEvent):
    """Part of the caller's input was recognised."""

    TYPE = "com.twilio.voice.status-callback.gather.partial.captured"


class StatusCallbackRecordingProcessed(_WebhookEvent):
    """A recording is ready."""

    TYPE = "com.twilio.voice.status-callback.recording.processed"


class StatusCallbackStreamUpdated(_WebhookEvent):
    """A media stream has begun, ended or failed."""

    TYPE = "com.twilio.voice.status-callback.stream.updated"


class StatusCallbackTranscriptionProcessed(_WebhookEvent):
    """A transcription is ready."""

    TYPE = "com.twilio.voice.status-callback.transcription.processed"


class TwimlCallRedirected(_WebhookEvent):
    """A call was redirected to other instructions."""

    TYPE = "com.twilio.voice.twiml.call.redirected"


class TwimlCallTransferred(_WebhookEvent):
    """A call was transferred."""

    TYPE = "com.twilio.voice.twiml.call.transferred"


class TwimlDialFinished(_WebhookEvent):
    """A dialled leg is over."""

    TYPE = "com.twilio.voice.twiml.dial.finished"


class TwimlEnqueueFinished(_WebhookEvent):
    """A call has left its queue."""

    TYPE = "com.twilio.voice.twiml.enqueue.finished"


class TwimlGatherFinished(_WebhookEvent):
    """The caller's input is complete."""

    TYPE = "com.twilio.voice.twiml.gather.finished"


class TwimlRecordFinished(_WebhookEvent):
    """A recording within a call is complete."""

    TYPE = "com.twilio.voice.twiml.record.finished"


class TwimlRequestFailed(_WebhookEvent):
    """A request for instructions has failed."""

    TYPE = "com.twilio.voice.twiml.request.failed"


class TwimlRequested(_WebhookEvent):
    """Instructions for a call were requested."""

    TYPE = "com.twilio.voice.twiml.requested"


@deprecated(
    "com.twilio.voice.webhook.status-callback.call.answered may cease: Older name of status-callback.call.answered.",
)
class WebhookStatusCallbackCallAnswered(_WebhookEvent):
    """Older name of status-callback.call.answered."""

    TYPE = "com.twilio.voice.webhook.status-callback.call.answered"


@deprecated(
    "com.twilio.voice.webhook.status-callback.call.completed may cease: Older name of status-callback.call.completed.",
)
class WebhookStatusCallbackCallCompleted(_WebhookEvent):
    """Older name of status-callback.call.completed."""

    TYPE = "com.twilio.voice.webhook.status-callback.call.completed"


@deprecated(
    "com.twilio.voice.webhook.status-callback.call.initiated may cease: Older name of status-callback.call.initiated.",
)
class WebhookStatusCallbackCallInitiated(_WebhookEvent):
    """Older name of status-callback.call.initiated."""

    TYPE = "com.twilio.voice.webhook.status-callback.call.initiated"


@deprecated(
    "com.twilio.voice.webhook.status-callback.call.ringing may cease: Older name of status-callback.call.ringing.",
)
class WebhookStatusCallbackCallRinging(_WebhookEvent):
    """Older name of status-callback.call.ringing."""

    TYPE = "com.twilio.voice.webhook.status-callback.call.ringing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location(Record):
    """A place on the map."""

    lat: float | None = None
    """Latitude in degrees."""
    lon: float | None = None
    """Longitude in degrees."""

    @override
    def as_data(self) -> Data:
        return {
            "lat": self.lat,
            "lon": self.lon,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Party(Record):
    """One end of a call."""

    caller: str | None = None
    """Number or address of this end, where it made the call."""
    callee: str | None = None
    """Number or address of this end, where it was called."""
    carrier: str | None = None
    """Name of the carrier."""
    connection: str | None = None
    """Kind of line, such as mobile, landline or voip."""
    number_prefix: str | None = None
    """First digits of the number."""
    location: Location | None = None
    """Where it is, roughly."""
    city: str | None = None
    """City."""
    country_code: str | None = None
    """Country, ISO 3166."""
    country_subdivision: str | None = None
    """State or province."""
    ip_address: str | None = None
    """Internet address, for ends that have one."""
    sdk: Mapping[str, bool | int | float | str | None] | None = None
    """Name, version and platform of the client library, for ends that run one."""

    @override
    def as_data(self) -> Data:
        return {
            "caller": self.caller,
            "callee": self.callee,
            "carrier": self.carrier,
            "connection": self.connection,
            "number_prefix": self.number_prefix,
            "location": plain(self.location),
            "city": self.city,
            "country_code": self.country_code,
            "country_subdivision": self.country_subdivision,
            "ip_address": self.ip_address,
            "sdk": self.sdk,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeMetrics(Record):
    """What was measured on one edge, by direction."""

    inbound: Mapping[str, bool | int | float | str | None] | None = None
    """What came in, by name of the figure."""
    outbound: Mapping[str, bool | int | float | str | None] | None = None
    """What went out, by name of the figure."""

    @override
    def as_data(self) -> Data:
        return {
            "inbound": self.inbound,
            "outbound": self.outbound,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge(Record):
    """One edge of the call: where it touches a network or a client."""

    metrics: EdgeMetrics | None = None
    """What was measured there."""
    properties: Mapping[str, bool | int | float | str | None] | None = None
    """What is known of the edge, by name."""

    @override
    def as_data(self) -> Data:
        return {
            "metrics": plain(self.metrics),
            "properties": self.properties,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProperties(Record):
    """What is known of the call as a whole."""

    last_sip_response_num: int | None = None
    """Last SIP response code."""
    pdd_ms: int | None = None
    """Post-dial delay, in ms."""
    queue_time: int | None = None
    """How long the call waited in a queue before it was dialled, in ms."""
    disconnected_by: str | None = None
    """Who hung up: caller or callee."""
    direction: str | None = None
    """Direction of the call, such as outbound_api."""
    q850_cause: int | None = None
    """Q.850 cause code of the end of the call."""

    @override
    def as_data(self) -> Data:
        return {
            "last_sip_response_num": self.last_sip_response_num,
            "pdd_ms": self.pdd_ms,
            "queue_time": self.queue_time,
            "disconnected_by": self.disconnected_by,
            "direction": self.direction,
            "q850_cause": self.q850_cause,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCaller(Record):
    """Whether the caller's number was verified."""

    verified: bool | None = None
    """True where it was."""

    @override
    def as_data(self) -> Data:
        return {
            "verified": self.verified,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandedCall(Record):
    """Whether and how the call was shown with a brand."""

    branded: bool | None = None
    """True where it was."""
    caller: str | None = None
    """Name that was shown."""
    use_case: str | None = None
    """Reason for the call that was shown."""
    branded_channel_sid: str | None = None
    """SID of the branded channel."""
    brand_sid: str | None = None
    """SID of the brand."""

    @override
    def as_data(self) -> Data:
        return {
            "branded": self.branded,
            "caller": self.caller,
            "use_case": self.use_case,
            "branded_channel_sid": self.branded_channel_sid,
            "brand_sid": self.brand_sid,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust(Record):
    """What was done for the trust of the called."""

    verified_caller: VerifiedCaller | None = None
    """Whether the caller's number was verified."""
    branded_call: BrandedCall | None = None
    """Whether and how a brand was shown."""

    @override
    def as_data(self) -> Data:
        return {
            "verified_caller": plain(self.verified_caller),
            "branded_call": plain(self.branded_call),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _CallSummary(ProductEvent):
    """A call in figures, after its end; partial first, then complete (``VoiceInsights.CallSummary``, version 7)."""

    call_sid: str
    """SID of the call, CA and 32 hexadecimal digits."""
    parent_call_sid: str | None = None
    """SID of the call that made this one; empty where none did."""
    parent_account_sid: str | None = None
    """SID of the account's parent; empty where it has none."""
    created_time: str | None = None
    """When the call was created, RFC 3339."""
    start_time: str | None = None
    """When the call began, RFC 3339."""
    end_time: str | None = None
    """When the call ended, RFC 3339."""
    duration: int | None = None
    """From its creation to its end, in seconds."""
    connect_duration: int | None = None
    """From its answer to its end, in seconds."""
    call_type: str | None = None
    """carrier, sip, trunking or client."""
    call_state: str | None = None
    """How it ended, such as completed, busy, fail, noanswer or canceled."""
    from_: Party | None = None
    """The end that called."""
    to: Party | None = None
    """The end that was called."""
    processing_state: str | None = None
    """How final the figures are: partial or complete."""
    processing_version: int | None = None
    """Grows each time the figures are computed again."""
    carrier_edge: Edge | None = None
    """Where the call touched a carrier's network."""
    sip_edge: Edge | None = None
    """Where the call touched SIP infrastructure."""
    sdk_edge: Edge | None = None
    """What the client library itself measured."""
    client_edge: Edge | None = None
    """Where the call touched a client."""
    tags: Sequence[str] | None = None
    """What was noticed about the call, such as high_pdd."""
    attributes: Mapping[str, bool | int | float | str | None] | None = None
    """Traits of the call, by name."""
    properties: CallProperties | None = None
    """What is known of the call as a whole."""
    trust: Trust | None = None
    """What was done for the trust of the called."""

    @override
    def event(self) -> Event:
        data: Data = {
            "call_sid": self.call_sid,
            "account_sid": self.account_sid,
            "parent_call_sid": self.parent_call_sid,
            "parent_account_sid": self.parent_account_sid,
            "created_time": self.created_time,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "duration": self.duration,
            "connect_duration": self.connect_duration,
            "call_type": self.call_type,
            "call_state": self.call_state,
            "from": plain(self.from_),
            "to": plain(self.to),
            "processing_state": self.processing_state,
            "processing_version": self.processing_version,
            "carrier_edge": plain(self.carrier_edge),
            "sip_edge": plain(self.sip_edge),
            "sdk_edge": plain(self.sdk_edge),
            "client_edge": plain(self.client_edge),
            "tags": self.tags,
            "attributes": self.attributes,
            "properties": plain(self.properties),
            "trust": plain(self.trust),
        }
        return self._event(data, version=7, source=f"/v1/Voice/{self.call_sid}/Summary", key=self.call_sid)


class CallSummaryComplete(_CallSummary):
    """Final figures of a call, about half an hour after its end."""

    TYPE = "com.twilio.voice.insights.call-summary.complete"


class CallSummaryPartial(_CallSummary):
    """First figures of a call, minutes after its end."""

    TYPE = "com.twilio.voice.insights.call-summary.partial"


class CallSummaryPredictedComplete(_CallSummary):
    """Figures of a call that will hardly change any more."""

    TYPE = "com.twilio.voice.insights.call-summary.predicted-complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeMetadata(Record):
    """Where the edge was."""

    region: str | None = None
    """Region of the service."""
    edge_location: str | None = None
    """Place where the edge was entered."""
    twilio_ip: str | None = None
    """Address on the service's side."""
    external_ip: str | None = None
    """Address on the other side."""

    @override
    def as_data(self) -> Data:
        return {
            "region": self.region,
            "edge_location": self.edge_location,
            "twilio_ip": self.twilio_ip,
            "external_ip": self.external_ip,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaEdge(Record):
    """An edge of the call."""

    metadata: EdgeMetadata | None = None
    """Where it was."""

    @override
    def as_data(self) -> Data:
        return {
            "metadata": plain(self.metadata),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkError(Record):
    """An error that the client library saw."""

    code: int | None = None
    """Its code."""
    message: str | None = None
    """Its text."""

    @override
    def as_data(self) -> Data:
        return {
            "code": self.code,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback(Record):
    """What the user said of the call."""

    score: int | None = None
    """From 1, bad, to 5, good."""
    reason: str | None = None
    """What was wrong, in one word."""

    @override
    def as_data(self) -> Data:
        return {
            "score": self.score,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Record):
    """A figure that crossed its threshold."""

    threshold: float | None = None
    """The threshold."""
    values: Sequence[float] | None = None
    """The figures that were measured."""

    @override
    def as_data(self) -> Data:
        return {
            "threshold": self.threshold,
            "values": self.values,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePair(Record):
    """The addresses that media was exchanged between."""

    local: Mapping[str, bool | int | float | str | None] | None = None
    """The candidate on this side, by property."""
    remote: Mapping[str, bool | int | float | str | None] | None = None
    """The candidate on the other side, by property."""

    @override
    def as_data(self) -> Data:
        return {
            "local": self.local,
            "remote": self.remote,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk(Record):
    """A client library and what it ran on."""

    type: str | None = None
    """Name of the client library."""
    version: str | None = None
    """Its version."""
    platform: str | None = None
    """What it ran on, such as browser, android or ios."""
    region: str | None = None
    """Region of the service that it reached."""
    selected_region: str | None = None
    """Region that it was told to use; absent where it chose."""
    browser: str | None = None
    """The browser and its version; absent outside of browsers."""
    os: str | None = None
    """The operating system and its version."""
    device: str | None = None
    """The device; absent in browsers."""

    @override
    def as_data(self) -> Data:
        return {
            "type": self.type,
            "version": self.version,
            "platform": self.platform,
            "region": self.region,
            "selected_region": self.selected_region,
            "browser": self.browser,
            "os": self.os,
            "device": self.device,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkMetadata(Record):
    """Where the client was, and what it ran on."""

    client_name: str | None = None
    """Name of the client."""
    location: Location | None = None
    """Where it is, roughly."""
    city: str | None = None
    """City."""
    country_code: str | None = None
    """Country, ISO 3166."""
    country_subdivision: str | None = None
    """State or province."""
    ip_address: str | None = None
    """Internet address."""
    sdk: Sdk | None = None
    """The client library that it ran."""

    @override
    def as_data(self) -> Data:
        return {
            "client_name": self.client_name,
            "location": plain(self.location),
            "city": self.city,
            "country_code": self.country_code,
            "country_subdivision": self.country_subdivision,
            "ip_address": self.ip_address,
            "sdk": plain(self.sdk),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkEdge(Record):
    """What the client library saw."""

    error: SdkError | None = None
    """An error."""
    feedback: Feedback | None = None
    """What the user said."""
    metric: Metric | None = None
    """A figure that crossed its threshold."""
    ice_candidate_pair: CandidatePair | None = None
    """The addresses that media was exchanged between."""
    metadata: SdkMetadata | None = None
    """Where the client was."""

    @override
    def as_data(self) -> Data:
        return {
            "error": plain(self.error),
            "feedback": plain(self.feedback),
            "metric": plain(self.metric),
            "ice_candidate_pair": plain(self.ice_candidate_pair),
            "metadata": plain(self.metadata),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _CallEvent(ProductEvent):
    """Something was noticed during a call (``VoiceInsights.CallEvent``, version 3)."""

    call_sid: str
    """SID of the call, CA and 32 hexadecimal digits."""
    edge: str | None = None
    """Which edge noticed it, such as carrier_edge or sdk_edge."""
    name: str | None = None
    """What was noticed."""
    group: str | None = None
    """Kind of what was noticed."""
    level: str | None = None
    """UNKNOWN, DEBUG, INFO, WARNING or ERROR."""
    carrier_edge: MediaEdge | None = None
    """Where the call touched a carrier's network."""
    sip_edge: MediaEdge | None = None
    """Where the call touched SIP infrastructure."""
    client_edge: MediaEdge | None = None
    """Where the call touched a client."""
    sdk_edge: SdkEdge | None = None
    """What the client library saw."""

    @override
    def event(self) -> Event:
        data: Data = {
            "timestamp": timestamp(self.time),
            "call_sid": self.call_sid,
            "account_sid": self.account_sid,
            "edge": self.edge,
            "name": self.name,
            "group": self.group,
            "level": self.level,
            "carrier_edge": plain(self.carrier_edge),
            "sip_edge": plain(self.sip_edge),
            "client_edge": plain(self.client_edge),
            "sdk_edge": plain(self.sdk_edge),
        }
        return self._event(data, version=3, source=f"/v1/Voice/{self.call_sid}/Events", key=self.call_sid)


class CallEventGateway(_CallEvent):
    """A media gateway has noticed something about a call."""

    TYPE = "com.twilio.voice.insights.call-event.gateway"


class CallEventSdk(_CallEvent):
    """A client library has noticed something about a call."""

    TYPE = "com.twilio.voice.insights.call-event.sdk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples(Record):
    """Figures of one edge."""

    interval: Mapping[str, bool | int | float | str | None] | None = None
    """Of the last ten seconds, by name of the figure."""
    cumulative: Mapping[str, bool | int | float | str | None] | None = None
    """Since the call began, by name of the figure."""

    @override
    def as_data(self) -> Data:
        return {
            "interval": self.interval,
            "cumulative": self.cumulative,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _CallMetrics(ProductEvent):
    """Figures of a call while it lasts, every ten seconds (``VoiceInsights.CallMetrics``, version 1)."""

    call_sid: str
    """SID of the call, CA and 32 hexadecimal digits."""
    edge: str | None = None
    """Which edge measured, such as carrier_edge or sdk_edge."""
    direction: str | None = None
    """inbound, outbound or both."""
    carrier_edge: Samples | None = None
    """Where the call touches a carrier's network."""
    sip_edge: Samples | None = None
    """Where the call touches SIP infrastructure."""
    sdk_edge: Samples | None = None
    """What the client library measures."""
    client_edge: Samples | None = None
    """Where the call touches a client."""

    @override
    def event(self) -> Event:
        data: Data = {
            "timestamp": timestamp(self.time),
            "call_sid": self.call_sid,
            "account_sid": self.account_sid,
            "edge": self.edge,
            "direction": self.direction,
            "carrier_edge": plain(self.carrier_edge),
            "sip_edge": plain(self.sip_edge),
            "sdk_edge": plain(self.sdk_edge),
            "client_edge": plain(self.client_edge),
        }
        return self._event(data, version=1, source=f"/v1/Voice/{self.call_sid}/Metrics", key=self.call_sid)


class CallMetricsGateway(_CallMetrics):
    """Ten seconds of a call, as a media gateway measured them."""

    TYPE = "com.twilio.voice.insights.call-metrics.gateway"


class CallMetricsSdk(_CallMetrics):
    """Ten seconds of a call, as a client library measured them."""

    TYPE = "com.twilio.voice.insights.call-metrics.sdk"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedIssues(Record):
    """How many issues were noticed, by kind."""

    call_quality: int | None = None
    """Participants with poor quality."""
    region_configuration: int | None = None
    """Participants whose region was ill chosen."""
    participant_behavior: int | None = None
    """Participants who behaved unusually."""

    @override
    def as_data(self) -> Data:
        return {
            "call_quality": self.call_quality,
            "region_configuration": self.region_configuration,
            "participant_behavior": self.participant_behavior,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConferenceSummary(ProductEvent):
    """A conference in figures, after its end (``VoiceInsights.ConferenceSummary``, version 2)."""

    conference_sid: str
    """SID of the conference, CF and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Name that it was given."""
    create_time: str | None = None
    """When it was created, RFC 3339."""
    start_time: str | None = None
    """When it began, RFC 3339."""
    end_time: str | None = None
    """When it ended, RFC 3339."""
    duration_seconds: int | None = None
    """From its creation to its end."""
    connect_duration_seconds: int | None = None
    """From its beginning to its end."""
    status: str | None = None
    """Its status, such as completed."""
    max_participants: int | None = None
    """How many could take part."""
    max_concurrent_participants: int | None = None
    """Most participants at the same time."""
    unique_participants: int | None = None
    """How many took part."""
    end_reason: str | None = None
    """Why it ended."""
    ended_by: str | None = None
    """SID of the call that ended it."""
    recording_enabled: bool | None = None
    """Whether it was recorded."""
    mixer_region: str | None = None
    """Region where it was mixed."""
    mixer_region_requested: str | None = None
    """Region that was asked for."""
    tags: Sequence[str] | None = None
    """What was noticed about it."""
    tag_info: Mapping[str, bool | int | float | str | None] | None = None
    """More about the tags, by name."""
    detected_issues: DetectedIssues | None = None
    """How many issues were noticed."""
    processing_state: str | None = None
    """How final the figures are: partial or complete."""

    @override
    def event(self) -> Event:
        data: Data = {
            "conference_sid": self.conference_sid,
            "account_sid": self.account_sid,
            "friendly_name": self.friendly_name,
            "create_time": self.create_time,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "duration_seconds": self.duration_seconds,
            "connect_duration_seconds": self.connect_duration_seconds,
            "status": self.status,
            "max_participants": self.max_participants,
            "max_concurrent_participants": self.max_concurrent_participants,
            "unique_participants": self.unique_participants,
            "end_reason": self.end_reason,
            "ended_by": self.ended_by,
            "recording_enabled": self.recording_enabled,
            "mixer_region": self.mixer_region,
            "mixer_region_requested": self.mixer_region_requested,
            "tags": self.tags,
            "tag_info": self.tag_info,
            "detected_issues": plain(self.detected_issues),
            "processing_state": self.processing_state,
        }
        return self._event(data, version=2, source=f"/v1/Conferences/{self.conference_sid}", key=self.conference_sid)


class ConferenceSummaryComplete(_ConferenceSummary):
    """Final figures of a conference."""

    TYPE = "com.twilio.voice.insights.conference-summary.complete"


class ConferenceSummaryPartial(_ConferenceSummary):
    """First figures of a conference."""

    TYPE = "com.twilio.voice.insights.conference-summary.partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantProperties(Record):
    """How the participant was added."""

    start_conference_on_enter: bool | None = None
    """Whether the conference began with this participant."""
    end_conference_on_exit: bool | None = None
    """Whether it ended with this participant."""
    play_early_media: bool | None = None
    """Whether early media was played."""
    recording_enabled: bool | None = None
    """Whether this participant was recorded."""
    trim_recording: bool | None = None
    """Whether silence was cut off the recording."""
    requested_region: str | None = None
    """Region that was asked for."""
    enter_muted: bool | None = None
    """Whether the participant came in muted."""
    beep_on_enter: bool | None = None
    """Whether the others heard a beep at the beginning."""
    beep_on_exit: bool | None = None
    """Whether the others heard a beep at the end."""

    @override
    def as_data(self) -> Data:
        return {
            "start_conference_on_enter": self.start_conference_on_enter,
            "end_conference_on_exit": self.end_conference_on_exit,
            "play_early_media": self.play_early_media,
            "recording_enabled": self.recording_enabled,
            "trim_recording": self.trim_recording,
            "requested_region": self.requested_region,
            "enter_muted": self.enter_muted,
            "beep_on_enter": self.beep_on_enter,
            "beep_on_exit": self.beep_on_exit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantEvents(Record):
    """What happened to the participant: how often, by kind."""

    hold: int | None = None
    """Put on hold."""
    unhold: int | None = None
    """Taken off hold."""
    mute: int | None = None
    """Muted."""
    unmute: int | None = None
    """Unmuted."""
    modify_beep: int | None = None
    """Beep changed."""
    modify_exit: int | None = None
    """Behaviour at exit changed."""
    coaching: int | None = None
    """Began to coach."""
    coaching_stopped: int | None = None
    """Stopped coaching."""
    modify_coached_participant: int | None = None
    """Coached somebody else."""

    @override
    def as_data(self) -> Data:
        return {
            "hold": self.hold,
            "unhold": self.unhold,
            "mute": self.mute,
            "unmute": self.unmute,
            "modify_beep": self.modify_beep,
            "modify_exit": self.modify_exit,
            "coaching": self.coaching,
            "coaching_stopped": self.coaching_stopped,
            "modify_coached_participant": self.modify_coached_participant,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceParticipantSummaryComplete(ProductEvent):
    """Final figures of one participant.

    One participant of a conference in figures, after the participant left
    (``VoiceInsights.ConferenceParticipantSummary``, version 2).
    """

    TYPE = "com.twilio.voice.insights.conference-participant-summary.complete"

    participant_sid: str
    """SID of the participation, CP and 32 hexadecimal digits."""
    label: str | None = None
    """Name that the participant was given."""
    conference_sid: str
    """SID of the conference."""
    call_sid: str
    """SID of the participant's call."""
    call_direction: str | None = None
    """Direction of the call."""
    from_: str | None = None
    """Who called."""
    to: str | None = None
    """Who was called."""
    call_state: str | None = None
    """State of the call."""
    call_status: str | None = None
    """How the call ended."""
    country_code: str | None = None
    """Country of the participant, ISO 3166."""
    is_moderator: bool | None = None
    """Whether the participant moderated."""
    join_time: str | None = None
    """When the participant came, RFC 3339."""
    leave_time: str | None = None
    """When the participant left, RFC 3339."""
    duration_seconds: int | None = None
    """How long the participant took part."""
    whisper: str | None = None
    """SID of the participant that was whispered to."""
    agent_audio: bool | None = None
    """Whether it is an agent's leg."""
    outbound_queue_length: int | None = None
    """How many calls waited before this one was dialled."""
    outbound_time_in_queue: int | None = None
    """How long this call waited before it was dialled, in ms."""
    jitter_buffer_size: str | None = None
    """Size of the jitter buffer, such as small or large."""
    is_coach: bool | None = None
    """Whether the participant coached."""
    coached_participants: Sequence[str] | None = None
    """SIDs of those that the participant coached."""
    participant_region: str | None = None
    """Region of the participant."""
    conference_region: str | None = None
    """Region of the conference."""
    call_type: str | None = None
    """carrier, sip, trunking or client."""
    quality_issues: int | None = None
    """How many quality issues were noticed."""
    properties: ParticipantProperties | None = None
    """How the participant was added."""
    events: ParticipantEvents | None = None
    """What happened to the participant."""
    metrics: Edge | None = None
    """What was measured."""
    processing_state: str | None = None
    """How final the figures are: partial or complete."""

    @override
    def event(self) -> Event:
        data: Data = {
            "participant_sid": self.participant_sid,
            "label": self.label,
            "conference_sid": self.conference_sid,
            "call_sid": self.call_sid,
            "account_sid": self.account_sid,
            "call_direction": self.call_direction,
            "from": self.from_,
            "to": self.to,
            "call_state": self.call_state,
            "call_status": self.call_status,
            "country_code": self.country_code,
            "is_moderator": self.is_moderator,
            "join_time": self.join_time,
            "leave_time": self.leave_time,
            "duration_seconds": self.duration_seconds,
            "whisper": self.whisper,
            "agent_audio": self.agent_audio,
            "outbound_queue_length": self.outbound_queue_length,
            "outbound_time_in_queue": self.outbound_time_in_queue,
            "jitter_buffer_size": self.jitter_buffer_size,
            "is_coach": self.is_coach,
            "coached_participants": self.coached_participants,
            "participant_region": self.participant_region,
            "conference_region": self.conference_region,
            "call_type": self.call_type,
            "quality_issues": self.quality_issues,
            "properties": plain(self.properties),
            "events": plain(self.events),
            "metrics": plain(self.metrics),
            "processing_state": self.processing_state,
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conferences/{self.conference_sid}/Participants/{self.participant_sid}",
            key=self.conference_sid,
        )
