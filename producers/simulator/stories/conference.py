"""Conferences: participants are called, put on hold, played announcements and dropped; summaries come later."""

from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.stories.voice_webhooks import Resource
from producers.simulator.story import Story, together

_P_HELD: Final = 0.3
_P_DROPPED: Final = 0.2
_P_ANNOUNCED: Final = 0.4
_P_MODIFIED: Final = 0.3
_SIZES: Final = (2, 3, 3, 4)
_PREFIX: Final = "com.twilio.voice.insights"
_PARTIAL_AFTER_S: Final = 600.0  # like calls' summaries
_COMPLETE_AFTER_S: Final = 1200.0


def conference(scene: Scene) -> Story:
    """A conference from its first participant to its final summaries."""
    sid, people = scene.sid("CF"), scene.pick(_SIZES)
    room = Resource(sid, "Conferences", {"ConferenceSid": sid, "FriendlyName": "standup"})
    created, created_ms = scene.stamp_s, scene.now_ms
    yield room.event(scene, "status-callback.conference.updated", StatusCallbackEvent="conference-start")
    stays = [_Stay(scene.aside(), room, number) for number in range(people)]
    for event in together(_announcements(scene.aside(), room), *(stay.story() for stay in stays)):
        yield event
        if event.time > scene.time:
            scene.wait((event.time - scene.time).total_seconds())
    yield room.event(scene, "status-callback.conference.updated", StatusCallbackEvent="conference-end")
    summary: dict[str, object] = {
        "conference_sid": sid,
        "account_sid": scene.company.account_sid,
        "friendly_name": "standup",
        "create_time": created,
        "start_time": created,
        "end_time": scene.stamp_s,
        "duration_seconds": (scene.now_ms - created_ms) // 1000,
        "status": "completed",
        "max_participants": 250,
        "max_concurrent_participants": people,
        "unique_participants": people,
        "end_reason": "last_participant_left",
        "recording_enabled": False,
        "mixer_region": "us1",
    }
    source = f"/v1/Conferences/{sid}"
    scene.wait(_PARTIAL_AFTER_S)
    partial = {**summary, "processing_state": "partial"}
    yield scene.event(f"{_PREFIX}.conference-summary.partial", source, partial, key=sid)
    scene.wait(_COMPLETE_AFTER_S)
    for stay in stays:
        yield stay.summary(scene)
    complete = {**summary, "processing_state": "complete"}
    yield scene.event(f"{_PREFIX}.conference-summary.complete", source, complete, key=sid)


def _announcements(scene: Scene, room: Resource) -> Story:
    scene.wait_about(20)
    if scene.happens(_P_MODIFIED):
        yield room.event(scene, "api-request.conference.modified", AnnounceUrl="https://voice.example.com/hello.xml")
    if scene.happens(_P_ANNOUNCED):
        scene.wait_about(2)
        yield room.event(scene, "status-callback.announcement.processed", ReasonAnnouncementFailed="")


@dataclass(slots=True)
class _Stay:
    """Somebody's stay in a conference."""

    scene: Scene
    room: Resource
    number: int
    call_sid: str = ""
    to: str = ""
    joined: str = ""
    left: str = ""
    duration_s: int = 0

    def story(self) -> Story:
        scene = self.scene
        self.call_sid, self.to = scene.sid("CA"), scene.customer().number
        scene.wait(0, 3)
        yield self._event("api-request.conference-participant.created")
        scene.wait_about(6)
        self.joined, joined_ms = scene.stamp_s, scene.now_ms
        yield self._updated("participant-join")
        if scene.happens(_P_HELD):
            for name in ("participant-hold", "participant-unhold"):
                scene.wait_about(30)
                yield self._event("api-request.conference-participant.modified", Hold=name == "participant-hold")
                scene.wait(0.05, 0.3)
                yield self._updated(name)
        scene.wait_about(300)
        if scene.happens(_P_DROPPED):
            yield self._event("api-request.conference-participant.deleted")
            scene.wait(0.05, 0.3)
        self.left, self.duration_s = scene.stamp_s, (scene.now_ms - joined_ms) // 1000
        yield self._updated("participant-leave")

    def summary(self, scene: Scene) -> Event:
        data: dict[str, object] = {
            "participant_sid": scene.sid("CP"),
            "label": f"participant {self.number + 1}",
            "conference_sid": self.room.sid,
            "call_sid": self.call_sid,
            "account_sid": scene.company.account_sid,
            "call_direction": "outbound",
            "from": scene.company.phones[0].number,
            "to": self.to,
            "call_status": "completed",
            "country_code": "US",
            "is_moderator": self.number == 0,
            "join_time": self.joined,
            "leave_time": self.left,
            "duration_seconds": self.duration_s,
            "is_coach": False,
            "participant_region": "us1",
            "conference_region": "us1",
            "call_type": "carrier",
            "processing_state": "complete",
        }
        source = f"/v1/Conferences/{self.room.sid}/Participants/{data['participant_sid']}"
        name = f"{_PREFIX}.conference-participant-summary.complete"
        return scene.event(name, source, data, key=self.room.sid)

    def _event(self, name: str, **more: object) -> Event:
        return self.room.event(self.scene, name, CallSid=self.call_sid, To=self.to, **more)

    def _updated(self, name: str) -> Event:
        return self._event("status-callback.conference.participant.updated", StatusCallbackEvent=name)
