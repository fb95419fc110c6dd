"""Video: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, Record, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class _VideoLogAnalyzerRoomSummary(ProductEvent):
    """A video room in figures, while it lasts and after its end (``VideoInsights.VideoLogAnalyzerRoomSummary``,
    version 1).
    """

    room_sid: str
    """SID of the room, RM and 32 hexadecimal digits."""
    room_name: str | None = None
    """Its name; the SID again where it was given none."""
    create_time: str | None = None
    """When it was created, RFC 3339."""
    end_time: str | None = None
    """When it ended, RFC 3339; absent until then."""
    room_type: str | None = None
    """What kind it is, such as go, peer_to_peer or group."""
    room_status: str | None = None
    """in_progress or completed."""
    status_callback: str | None = None
    """Where its events are called back; absent where nowhere."""
    status_callback_method: str | None = None
    """HTTP method of those callbacks."""
    created_method: str | None = None
    """Who made it: sdk, ad_hoc or api."""
    end_reason: str | None = None
    """Why it ended, such as room_ended_via_api or timeout; absent until then."""
    max_participants: int | None = None
    """Most participants that it lets in at once."""
    unique_participants: int | None = None
    """Participants that came; who came twice counts twice."""
    unique_participant_identities: int | None = None
    """Different identities among them."""
    concurrent_participants: int | None = None
    """Participants that are in it now."""
    max_concurrent_participants: int | None = None
    """Most participants that were in it at once."""
    codecs: Sequence[str] | None = None
    """Video codecs that were used, such as VP8 or H264."""
    media_region: str | None = None
    """Region that its media went through."""
    room_region: str | None = None
    """Region that it was created in."""
    duration_sec: int | None = None
    """From its creation to its end, in seconds."""
    total_participant_duration_sec: int | None = None
    """Stays of all participants together, in seconds."""
    total_recording_duration_sec: int | None = None
    """Recordings of all tracks together, in seconds."""
    processing_state: str | None = None
    """How final the figures are: in_progress or complete."""
    recording_enabled: bool | None = None
    """True where all of it was recorded."""
    edge_location: str | None = None
    """Place where media entered the service."""

    @override
    def event(self) -> Event:
        data: Data = {
            "room_sid": self.room_sid,
            "account_sid": self.account_sid,
            "room_name": self.room_name,
            "create_time": self.create_time,
            "end_time": self.end_time,
            "room_type": self.room_type,
            "room_status": self.room_status,
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
            "created_method": self.created_method,
            "end_reason": self.end_reason,
            "max_participants": self.max_participants,
            "unique_participants": self.unique_participants,
            "unique_participant_identities": self.unique_participant_identities,
            "concurrent_participants": self.concurrent_participants,
            "max_concurrent_participants": self.max_concurrent_participants,
            "codecs": self.codecs,
            "media_region": self.media_region,
            "room_region": self.room_region,
            "duration_sec": self.duration_sec,
            "total_participant_duration_sec": self.total_participant_duration_sec,
            "total_recording_duration_sec": self.total_recording_duration_sec,
            "processing_state": self.processing_state,
            "recording_enabled": self.recording_enabled,
            "edge_location": self.edge_location,
        }
        return self._event(data, version=1, source=f"/v1/Video/Rooms/{self.room_sid}", key=self.room_sid)


class LogAnalyzerRoomSummary(_VideoLogAnalyzerRoomSummary):
    """Figures of a room, while it lasts and after its end."""

    TYPE = "com.twilio.video.insights.log-analyzer.room-summary"


class RoomSummaryComplete(_VideoLogAnalyzerRoomSummary):
    """Final figures of a room."""

    TYPE = "com.twilio.video.insights.room-summary.complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherInfo(Record):
    """What a participant ran on."""

    name: str | None = None
    """Name of the client library."""
    sdk_version: str | None = None
    """Its version."""
    platform_name: str | None = None
    """Operating system."""
    platform_version: str | None = None
    """Its version."""
    device_manufacturer: str | None = None
    """Who made the device; absent in browsers."""
    device_model: str | None = None
    """Which device it is; absent in browsers."""
    device_architecture: str | None = None
    """Its processor, such as arm64; absent in browsers."""
    browser_name: str | None = None
    """The browser; absent outside of browsers."""
    browser_version: str | None = None
    """Its version."""
    browser_major: str | None = None
    """First part of its version."""

    @override
    def as_data(self) -> Data:
        return {
            "name": self.name,
            "sdk_version": self.sdk_version,
            "platform_name": self.platform_name,
            "platform_version": self.platform_version,
            "device_manufacturer": self.device_manufacturer,
            "device_model": self.device_model,
            "device_architecture": self.device_architecture,
            "browser_name": self.browser_name,
            "browser_version": self.browser_version,
            "browser_major": self.browser_major,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantProperties(Record):
    """How a participant joined, and with what."""

    record_on_connect: bool | None = None
    """True where its tracks were recorded from the start."""
    is_adhoc: bool | None = None
    """True where its joining made the room."""
    num_audio_tracks: int | None = None
    """Audio tracks that it published."""
    num_video_tracks: int | None = None
    """Video tracks that it published."""
    num_data_tracks: int | None = None
    """Data tracks that it published."""

    @override
    def as_data(self) -> Data:
        return {
            "record_on_connect": self.record_on_connect,
            "is_adhoc": self.is_adhoc,
            "num_audio_tracks": self.num_audio_tracks,
            "num_video_tracks": self.num_video_tracks,
            "num_data_tracks": self.num_data_tracks,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _VideoLogAnalyzerParticipantSummary(ProductEvent):
    """One participant's stay in a video room, in figures (``VideoInsights.VideoLogAnalyzerParticipantSummary``,
    version 1).
    """

    participant_sid: str
    """SID of the participant, PA and 32 hexadecimal digits."""
    room_sid: str
    """SID of the room, RM and 32 hexadecimal digits."""
    participant_identity: str | None = None
    """Who it is."""
    join_time: str | None = None
    """When it joined, RFC 3339."""
    leave_time: str | None = None
    """When it left, RFC 3339; absent until then."""
    duration_sec: int | None = None
    """How long it stayed, in seconds."""
    recording_duration_sec: int | None = None
    """Recordings of its tracks together, in seconds."""
    call_sid: str | None = None
    """SID of the call that it came by; absent where it came by the SDK."""
    status: str | None = None
    """connected, reconnecting or disconnected."""
    codecs: Sequence[str] | None = None
    """Video codecs that it used, such as VP8 or H264."""
    end_reason: str | None = None
    """Why it left, such as disconnected_via_api or ping_timeout; absent until then."""
    error_code: int | None = None
    """What went wrong; absent where nothing did."""
    error_code_url: str | None = None
    """Where that code is explained; absent where there is none."""
    media_region: str | None = None
    """Region that its media went through."""
    edge_location: str | None = None
    """Place where its media entered the service."""
    publisher_info: PublisherInfo | None = None
    """What it ran on; absent where it came by a call."""
    properties: ParticipantProperties | None = None
    """How it joined, and with what."""

    @override
    def event(self) -> Event:
        data: Data = {
            "participant_sid": self.participant_sid,
            "account_sid": self.account_sid,
            "room_sid": self.room_sid,
            "participant_identity": self.participant_identity,
            "join_time": self.join_time,
            "leave_time": self.leave_time,
            "duration_sec": self.duration_sec,
            "recording_duration_sec": self.recording_duration_sec,
            "call_sid": self.call_sid,
            "status": self.status,
            "codecs": self.codecs,
            "end_reason": self.end_reason,
            "error_code": self.error_code,
            "error_code_url": self.error_code_url,
            "media_region": self.media_region,
            "edge_location": self.edge_location,
            "publisher_info": plain(self.publisher_info),
            "properties": plain(self.properties),
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Video/Rooms/{self.room_sid}/Participants/{self.participant_sid}",
            key=self.room_sid,
        )


class LogAnalyzerParticipantSummary(_VideoLogAnalyzerParticipantSummary):
    """Figures of a participant's stay in a room."""

    TYPE = "com.twilio.video.insights.log-analyzer.participant-summary"


class ParticipantSummaryComplete(_VideoLogAnalyzerParticipantSummary):
    """Final figures of a participant's stay in a room."""

    TYPE = "com.twilio.video.insights.participant-summary.complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSummaryComplete(ProductEvent):
    """Final figures of one track of a room.

    One track of a video room, in figures (``VideoInsights.TrackSummary``, version 1).
    """

    TYPE = "com.twilio.video.insights.track-summary.complete"

    track_sid: str
    """SID of the track, MT and 32 hexadecimal digits."""
    room_sid: str
    """SID of the room, RM and 32 hexadecimal digits."""
    participant_sid: str | None = None
    """SID of the participant who published it, PA and 32 hexadecimal digits."""
    track_name: str | None = None
    """Name that its publisher gave it."""
    kind: str | None = None
    """audio, video or data."""
    codec: str | None = None
    """Codec that it used; absent for data."""
    start_time: str | None = None
    """When it was published, RFC 3339."""
    end_time: str | None = None
    """When it ended, RFC 3339."""
    duration_sec: int | None = None
    """How long it lasted, in seconds."""
    processing_state: str | None = None
    """How final the figures are: in_progress or complete."""

    @override
    def event(self) -> Event:
        data: Data = {
            "track_sid": self.track_sid,
            "account_sid": self.account_sid,
            "room_sid": self.room_sid,
            "participant_sid": self.participant_sid,
            "track_name": self.track_name,
            "kind": self.kind,
            "codec": self.codec,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "duration_sec": self.duration_sec,
            "processing_state": self.processing_state,
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Video/Rooms/{self.room_sid}/Tracks/{self.track_sid}",
            key=self.room_sid,
        )
