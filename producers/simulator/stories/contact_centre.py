"""A contact centre apart from its tasks: shifts, new colleagues, temporary queues, busy scripts."""

from collections.abc import Mapping
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.story import Story

_ACTIVITIES: Final = ("Available", "Break", "Available", "Offline")
_P_THROTTLED: Final = 0.5
_LIMIT: Final = 100


def event(scene: Scene, name: str, payload: Mapping[str, object], *, key: str) -> Event:
    """The TaskRouter event ``name``, such as ``task.created``; ``payload`` has its specific fields."""
    company, sid = scene.company, scene.sid("EV")
    group = name.partition(".")[0]
    data: dict[str, object] = {
        "sid": sid,
        "name": name,
        "account_sid": company.account_sid,
        "timestamp": scene.stamp,
        "level": "INFO",
        "group": group,
        "product_name": "TaskRouter",
        "publisher": "TaskRouter",
        "payload_type": "application/json",
        "payload": {
            "eventtype": name,
            "account_sid": company.account_sid,
            "timestamp": scene.stamp,
            "workspace_sid": company.sid("WS"),
            "workspace_name": "Contact centre",
            "resource_type": group,
            **payload,
        },
    }
    # Each event has a source of its own, so the key that groups events is the task, worker or queue.
    source = f"/v1/Workspaces/{company.sid('WS')}/Events/{sid}"
    return scene.event(f"com.twilio.taskrouter.{name}", source, data, key=key)


def _worker_event(scene: Scene, name: str, sid: str, worker: str, **more: object) -> Event:
    payload = {"worker_sid": sid, "worker_name": worker, "worker_attributes": "{}", "resource_sid": sid, **more}
    return event(scene, name, payload, key=sid)


def shift(scene: Scene) -> Story:
    """A worker's day in brief: arrives, takes a break, leaves; channels and capacity change."""
    worker = scene.pick(scene.company.people)
    sid, before, since_ms = scene.company.sid("WK", worker), "Offline", scene.now_ms
    for activity in _ACTIVITIES:
        spent_ms = scene.now_ms - since_ms
        yield _worker_event(
            scene,
            "worker.activity.update",
            sid,
            worker,
            worker_activity_sid=scene.company.sid("WA", activity),
            worker_activity_name=activity,
            worker_previous_activity_sid=scene.company.sid("WA", before),
            worker_previous_activity_name=before,
            worker_time_in_previous_activity=spent_ms // 1000,
            worker_time_in_previous_activity_ms=spent_ms,
        )
        before, since_ms = activity, scene.now_ms
        scene.wait_about(120)
    channel: dict[str, object] = {
        "task_channel_unique_name": "chat",
        "task_channel_sid": scene.company.sid("TC", "chat"),
    }
    for available in (1, 0):
        yield _worker_event(
            scene, "worker.channel.availability.update", sid, worker, **channel, worker_channel_available=available
        )
        scene.wait_about(60)
    figures = {"worker_channel_previous_capacity": 1, "worker_channel_capacity": 3, "worker_channel_task_count": 0}
    yield _worker_event(scene, "worker.capacity.update", sid, worker, **channel, **figures)


def newcomer(scene: Scene) -> Story:
    """A worker who is created and later deleted."""
    sid, name = scene.sid("WK"), f"temp-{scene.rng.randrange(1000)}"
    yield _worker_event(scene, "worker.created", sid, name)
    scene.wait_about(60)
    skills = {"worker_attributes": '{"skills":["billing"]}'}
    yield _worker_event(scene, "worker.attributes.update", sid, name, **skills)
    scene.wait_about(600)
    yield _worker_event(scene, "worker.deleted", sid, name, **skills)


def seasonal_queue(scene: Scene) -> Story:
    """A temporary queue, for days with many tasks."""
    sid = scene.sid("WQ")
    about = {"task_queue_sid": sid, "task_queue_name": "Sale", "resource_sid": sid}
    yield event(scene, "task-queue.created", about, key=sid)
    scene.wait_about(120)
    wider = {**about, "task_queue_target_expression": "1 == 1"}
    yield event(scene, "task-queue.expression-updated", wider, key=sid)
    scene.wait_about(600)
    yield event(scene, "task-queue.deleted", about, key=sid)


def busy_script(scene: Scene) -> Story:
    """A program of the company that makes too many requests for a while."""
    for _ in range(scene.rng.randrange(1, 4)):
        throttled = scene.happens(_P_THROTTLED)
        data = {
            "account_sid": scene.company.account_sid,
            "workspace_sid": scene.company.sid("WS"),
            "resource": "Tasks",
            "method": "POST",
            "limit": _LIMIT,
            "usage": _LIMIT + 4 if throttled else _LIMIT - 5,
            "interval_seconds": 1,
            "throttled": throttled,
            "timestamp": scene.stamp,
        }
        workspace = f"/v1/Workspaces/{scene.company.sid('WS')}"
        yield scene.event("com.twilio.apiusage.taskrouter.ratelimits", workspace, data)
        scene.wait(1, 5)
