"""Studio: a person enters a flow, passes its widgets one by one, and leaves at its end or earlier."""

from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_HUNG_UP: Final = 0.08  # at each widget
_WIDGETS: Final = ("Trigger", "ask_for_name", "look_up_order", "say_status", "ask_for_more", "say_goodbye")
_REVISION: Final = 12
_LEFT: Final = {"HANGUP": 3, "CALL_COMPLETED": 1}


def execution(scene: Scene) -> Story:
    """One person's path through the flow."""
    company, sid = scene.company, scene.sid("FN")
    flow, address, began = company.sid("FW", "orders"), scene.customer().number, scene.stamp
    source = f"/v2/Flows/{flow}/Executions/{sid}"

    def passed(step: dict[str, object]) -> Event:
        steps = f"{source}/Steps/{step['step_sid']}"
        return scene.event("com.twilio.studio.flow.step.ended", steps, step, key=source)

    ids: dict[str, object] = {"execution_sid": sid, "account_sid": company.account_sid, "flow_sid": flow}
    about: dict[str, object] = {
        **ids,
        "contact_channel_address": address,
        "date_created": began,
        "started_by": scene.sid("CA"),
        "flow_revision": _REVISION,
    }
    started = {**about, "status": "active", "date_updated": began}
    yield scene.event("com.twilio.studio.flow.execution.started", source, started)
    reason, previous = "FLOW_END", None
    for here, there in zip(_WIDGETS, (*_WIDGETS[1:], "Ended"), strict=True):
        scene.wait_about(4)
        step: dict[str, object] = {
            **ids,
            "step_sid": scene.sid("FT"),
            "name": "success",
            "transitioned_from": here,
            "transitioned_to": there,
            "date_created": scene.stamp,
        }
        if previous is not None:
            step["parent_step_sid"] = previous
        previous = step["step_sid"]
        if scene.happens(_P_HUNG_UP):
            reason = scene.pick_weighted(_LEFT)
            yield passed({**step, "name": "hangup", "transitioned_to": "Ended"})
            break
        yield passed(step)
    scene.wait(0.01, 0.1)
    ended = {**about, "status": "ended", "ended_reason": reason, "date_updated": scene.stamp}
    yield scene.event("com.twilio.studio.flow.execution.ended", source, ended)


PRODUCT: Final = SimulatedProduct("studio", 5, {execution: 1})
