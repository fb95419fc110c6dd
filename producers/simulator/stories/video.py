"""Video: people meet in a room; summaries of tracks, participants and the room come when each has ended."""

from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story, together

_P_ON_CAMERA: Final = 0.7
_BROWSERS: Final = ("Chrome", "Firefox", "Safari")
_SIZES: Final = (2, 2, 3, 4)
_PREFIX: Final = "com.twilio.video.insights"


def room(scene: Scene) -> Story:
    """A room from its beginning to its final summary."""
    made = _Room(scene.sid("RM"), f"meeting-{scene.rng.randrange(1000)}", scene.stamp_s, scene.now_ms)
    people = scene.rng.sample(list(scene.company.people), scene.pick(_SIZES))
    scene.wait(2, 20)
    yield made.event(scene, "log-analyzer.room-summary", len(people), room_status="in_progress")
    stays = [_stay(scene.aside(), made, each) for each in people]
    for event in together(*stays):
        yield event
        if event.time > scene.time:
            scene.wait((event.time - scene.time).total_seconds())
    ended: dict[str, object] = {
        "room_status": "completed",
        "end_reason": "room_ended_via_api",
        "end_time": scene.stamp_s,
        "duration_sec": (scene.now_ms - made.began_ms) // 1000,
    }
    scene.wait(1, 5)
    yield made.event(scene, "log-analyzer.room-summary", len(people), **ended)
    scene.wait_about(300)
    yield made.event(scene, "room-summary.complete", len(people), processing_state="complete", **ended)


PRODUCT: Final = SimulatedProduct("video", 3, {room: 1})


@dataclass(frozen=True, slots=True)
class _Room:
    sid: str
    name: str
    began: str
    began_ms: int

    def event(self, scene: Scene, name: str, people: int, **more: object) -> Event:
        data: dict[str, object] = {
            "room_sid": self.sid,
            "account_sid": scene.company.account_sid,
            "room_name": self.name,
            "create_time": self.began,
            "room_type": "group",
            "created_method": "api",
            "max_participants": 50,
            "unique_participants": people,
            "unique_participant_identities": people,
            "max_concurrent_participants": people,
            "codecs": ["VP8"],
            "media_region": "us1",
            "room_region": "us1",
            "recording_enabled": False,
            "edge_location": "ashburn",
            **more,
        }
        return scene.event(f"{_PREFIX}.{name}", f"/v1/Video/Rooms/{self.sid}", data)


def _stay(scene: Scene, room: _Room, identity: str) -> Story:
    """A participant's stay in the room, with the tracks."""
    scene.wait(1, 30)
    sid, joined, joined_ms = scene.sid("PA"), scene.stamp_s, scene.now_ms
    source = f"/v1/Video/Rooms/{room.sid}/Participants/{sid}"
    about: dict[str, object] = {
        "participant_sid": sid,
        "account_sid": scene.company.account_sid,
        "room_sid": room.sid,
        "participant_identity": identity,
        "join_time": joined,
        "codecs": ["VP8"],
        "media_region": "us1",
        "edge_location": "ashburn",
        "publisher_info": {"name": "video.js", "sdk_version": "2.28.1", "browser_name": scene.pick(_BROWSERS)},
    }
    name = f"{_PREFIX}.log-analyzer.participant-summary"
    yield scene.event(name, source, {**about, "status": "connected"}, key=room.sid)
    scene.wait_about(600)
    left: dict[str, object] = {
        "leave_time": scene.stamp_s,
        "duration_sec": (scene.now_ms - joined_ms) // 1000,
        "status": "disconnected",
        "end_reason": "disconnected_via_api",
    }
    yield scene.event(name, source, {**about, **left}, key=room.sid)
    scene.wait(1, 5)
    for kind in ("audio", "video") if scene.happens(_P_ON_CAMERA) else ("audio",):
        track: dict[str, object] = {
            "track_sid": scene.sid("MT"),
            "account_sid": scene.company.account_sid,
            "room_sid": room.sid,
            "participant_sid": sid,
            "track_name": "camera" if kind == "video" else "microphone",
            "kind": kind,
            "codec": "VP8" if kind == "video" else "opus",
            "start_time": joined,
            "end_time": left["leave_time"],
            "duration_sec": left["duration_sec"],
            "processing_state": "complete",
        }
        source_of_track = f"/v1/Video/Rooms/{room.sid}/Tracks/{track['track_sid']}"
        yield scene.event(f"{_PREFIX}.track-summary.complete", source_of_track, track, key=room.sid)
    yield scene.event(f"{_PREFIX}.participant-summary.complete", source, {**about, **left}, key=room.sid)
