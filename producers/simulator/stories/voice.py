"""Voice: outbound and inbound calls, with TwiML instructions, measurements and, later, summaries."""

from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.simulator.company import Phone
from producers.simulator.scene import Scene
from producers.simulator.stories.conference import conference
from producers.simulator.stories.voice_insights import Ended, measured, summaries
from producers.simulator.stories.voice_webhooks import Resource
from producers.simulator.story import SimulatedProduct, Story

_ENDS: Final = {"completed": 80, "no-answer": 11, "busy": 6, "failed": 3}
_P_MACHINE_DETECTION: Final = 0.3
_P_MACHINE: Final = 0.35  # of those: a machine answers
_P_MODIFIED: Final = 0.08  # by the API, while it lasts
_P_MEASURED: Final = 0.25
_P_MEDIA: Final = 0.2
_P_STREAM: Final = 0.1
_P_RECORDED: Final = 0.15
_P_TRANSCRIBED: Final = 0.4  # of the recordings
_P_TWIML_FAILED: Final = 0.02
_P_REDIRECTED: Final = 0.1
_MENU: Final = {"agent": 4, "queue": 4, "voicemail": 2}
_P_TRANSFERRED: Final = 0.15  # of the calls to an agent
_HTTP_RETRIEVAL_FAILURE: Final = "11200"  # the reference's code
_RING_S: Final = 6.0  # half of those who answer do so within this time
_GIVEN_UP_AFTER_S: Final = 30.0
_TALK_S: Final = 95.0


def outgoing(scene: Scene) -> Story:
    """A call to a customer, from the request for it to its complete summary."""
    call = _Call(scene, scene.pick(scene.company.phones), scene.customer(), "outbound-api")
    yield call.event("api-request.call.created", "queued")
    scene.wait_about(0.6)
    yield call.event("status-callback.call.initiated", "initiated")
    scene.wait_about(1.5)
    end = scene.pick_weighted(_ENDS)
    if end != "failed":
        yield call.event("status-callback.call.ringing", "ringing")
        if end == "no-answer":
            scene.wait(_GIVEN_UP_AFTER_S)
        else:
            scene.wait_about(_RING_S)
    if end == "completed":
        call.answered_ms = scene.now_ms
        yield call.event("status-callback.call.answered", "in-progress")
        if scene.happens(_P_MACHINE_DETECTION):
            scene.wait_about(2)
            by = "machine_start" if scene.happens(_P_MACHINE) else "human"
            yield call.event("status-callback.amd.detected", "in-progress", AnsweredBy=by)
        yield from _instructions(call)
        if scene.happens(_P_MODIFIED):
            scene.wait_about(10)
            yield call.event("api-request.call.modified", "in-progress", Method="POST")
        yield from _talk(call)
    yield from _over(call, end)


def incoming(scene: Scene) -> Story:
    """A call from a customer, who is asked for the reason and connected accordingly."""
    call = _Call(scene, scene.pick(scene.company.phones), scene.customer(), "inbound")
    call.answered_ms = scene.now_ms
    yield from _instructions(call)
    scene.wait_about(5)
    yield call.event("status-callback.gather.partial.captured", "in-progress", UnstableSpeechResult="my ord")
    scene.wait_about(2)
    yield call.event("twiml.gather.finished", "in-progress", SpeechResult="my order", Confidence=0.92)
    if scene.happens(_P_REDIRECTED):
        scene.wait(0.05, 0.3)
        yield call.event("twiml.call.redirected", "in-progress")
    match scene.pick_weighted(_MENU):
        case "agent":
            yield from _talk(call)
            yield call.event("twiml.dial.finished", "in-progress", DialCallStatus="completed")
            if scene.happens(_P_TRANSFERRED):
                yield call.event("twiml.call.transferred", "in-progress")
                yield from _talk(call)
        case "queue":
            scene.wait_about(40)
            yield call.event("twiml.enqueue.finished", "in-progress", QueueResult="bridged")
            yield from _talk(call)
        case _:
            scene.wait_about(20)
            yield call.event("twiml.record.finished", "in-progress", RecordingDuration=str(scene.rng.randrange(3, 60)))
    yield from _over(call, "completed")


PRODUCT: Final = SimulatedProduct("voice", 30, {outgoing: 70, incoming: 25, conference: 5})


@dataclass(slots=True)
class _Call:
    scene: Scene
    ours: Phone
    theirs: Phone
    direction: str
    resource: Resource
    created_ms: int
    created: str
    answered_ms: int | None

    def __init__(self, scene: Scene, ours: Phone, theirs: Phone, direction: str) -> None:
        self.scene, self.ours, self.theirs, self.direction = scene, ours, theirs, direction
        sid = scene.sid("CA")
        sender, to = (theirs, ours) if direction == "inbound" else (ours, theirs)
        parameters: dict[str, object] = {
            "CallSid": sid,
            "From": sender.number,
            "To": to.number,
            "Direction": direction,
        }
        self.resource = Resource(sid, "Calls", parameters)
        self.created_ms, self.created, self.answered_ms = scene.now_ms, scene.stamp_s, None

    def event(self, name: str, status: str, **more: object) -> Event:
        return self.resource.event(self.scene, name, CallStatus=status, **more)


def _instructions(call: _Call) -> Story:
    """The instructions are requested from the customer's server, or from the fallback if that fails."""
    scene = call.scene
    scene.wait(0.02, 0.2)
    if scene.happens(_P_TWIML_FAILED):
        yield call.event("twiml.request.failed", "in-progress", ErrorCode=_HTTP_RETRIEVAL_FAILURE)
        scene.wait(0.02, 0.2)
    yield call.event("twiml.requested", "in-progress")
    if scene.happens(_P_MEDIA):
        scene.wait(0.02, 0.3)
        yield call.event("media.fetched", "in-progress", MediaUrl="https://voice.example.com/welcome.mp3")


def _talk(call: _Call) -> Story:
    """The conversation, which may be streamed and measured."""
    scene, streamed = call.scene, call.scene.happens(_P_STREAM)
    if streamed:
        yield call.event("status-callback.stream.updated", "in-progress", StreamEvent="stream-started")
    scene.wait_about(_TALK_S / 2, spread=0.9)
    if scene.happens(_P_MEASURED):
        yield from measured(scene, call.resource.sid)
    scene.wait_about(_TALK_S / 2, spread=0.9)
    if streamed:
        yield call.event("status-callback.stream.updated", "in-progress", StreamEvent="stream-stopped")


def _over(call: _Call, end: str) -> Story:
    scene = call.scene
    talked_s = 0 if call.answered_ms is None else (scene.now_ms - call.answered_ms) // 1000
    ended = Ended(
        sid=call.resource.sid,
        ours=call.ours,
        theirs=call.theirs,
        end=end,
        direction=call.direction,
        created=call.created,
        ended=scene.stamp_s,
        duration_s=(scene.now_ms - call.created_ms) // 1000,
        talked_s=talked_s,
    )
    yield call.event("status-callback.call.completed", end, CallDuration=str(talked_s))
    over_ms = scene.now_ms
    if talked_s and scene.happens(_P_RECORDED):
        scene.wait_about(4)
        recording = scene.sid("RE")
        yield call.event("status-callback.recording.processed", end, RecordingSid=recording)
        if scene.happens(_P_TRANSCRIBED):
            scene.wait_about(20)
            text = {"RecordingSid": recording, "TranscriptionStatus": "completed"}
            yield call.event("status-callback.transcription.processed", end, **text)
    yield from summaries(scene, ended, over_ms=over_ms)
