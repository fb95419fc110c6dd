"""Conversational Intelligence: a transcript is finished, then operators find something in it. Restricted types."""

from typing import Final

from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_RESULTS: Final = 0.7
_PREFIX: Final = "com.twilio.engagement-intelligence.transcript"


def transcript(scene: Scene) -> Story:
    """A transcript of a conversation that has just ended."""
    sid = scene.sid("GT")
    data = {
        "service_sid": scene.company.sid("GA"),
        "transcript_sid": sid,
        "account_sid": scene.company.account_sid,
        "date_created": scene.stamp,
    }
    scene.wait_about(30)
    yield scene.event(f"{_PREFIX}.finished", f"/v2/Transcripts/{sid}", data)
    if scene.happens(_P_RESULTS):
        scene.wait_about(10)
        yield scene.event(f"{_PREFIX}.operators.results-available", f"/v2/Transcripts/{sid}", data)


PRODUCT: Final = SimulatedProduct("intelligence", 1, {transcript: 1}, by_default=False)
