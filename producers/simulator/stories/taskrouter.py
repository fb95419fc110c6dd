"""TaskRouter: tasks of a contact centre, from their creation to their end."""

from dataclasses import dataclass, replace
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.stories import contact_centre
from producers.simulator.stories.contact_centre import event
from producers.simulator.story import SimulatedProduct, Story

_P_CANCELED: Final = 0.08  # the customer hangs up while waiting
_P_TIMEOUT_IN_WORKFLOW: Final = 0.03
_P_NO_TARGET: Final = 0.02
_P_SKIPPED: Final = 0.1
_P_MOVED: Final = 0.1
_P_TOO_LONG: Final = 0.06  # waits longer than its queue allows
_P_UPDATED: Final = 0.15
_P_DELETED: Final = 0.05
_P_TOO_OLD: Final = 0.4  # of the deleted: the system deletes it for its age
_P_TRANSFER: Final = 0.12
_OFFERS: Final = {"accepted": 72, "rejected": 10, "timeout": 8, "canceled": 4, "rescinded": 4, "failed": 2}
_TRANSFERS: Final = {"completed": 6, "failed": 2, "canceled": 1}
_P_ATTEMPT_FAILED: Final = 0.3  # of the transfers: the first worker asked does not take it
_CHANNELS: Final = ("voice", "chat", "sms", "default")
_TOPICS: Final = ("billing", "delivery", "returns")
_QUEUES: Final = ("Everyone", "Billing", "Support")


@dataclass(frozen=True, slots=True)
class _Task:
    """The state of a task; each step makes a new one."""

    scene: Scene
    sid: str
    channel: str
    topic: str
    created: str
    created_ms: int
    queue: str = _QUEUES[0]
    status: str = "pending"
    version: int = 0
    queued: str | None = None
    queued_ms: int = 0

    def event(self, name: str, **more: object) -> Event:
        """The event ``name`` of this task; ``more`` goes into its payload."""
        scene, company = self.scene, self.scene.company
        payload: dict[str, object] = {
            "workflow_sid": company.sid("WW"),
            "workflow_name": "By topic",
            "task_sid": self.sid,
            "task_attributes": f'{{"topic":"{self.topic}"}}',
            "task_age": (scene.now_ms - self.created_ms) // 1000,
            "task_date_created": self.created,
            "task_priority": 0,
            "task_assignment_status": self.status,
            "task_channel_unique_name": self.channel,
            "task_version": self.version,
            "resource_sid": self.sid,
        }
        if self.queued is not None:
            payload["task_queue_sid"] = company.sid("WQ", self.queue)
            payload["task_queue_name"] = self.queue
            payload["task_queue_entered_date"] = self.queued
            payload["task_age_in_queue"] = (scene.now_ms - self.queued_ms) // 1000
        payload.update(more)
        return event(scene, name, payload, key=self.sid)

    def now(self, status: str) -> "_Task":
        return replace(self, status=status, version=self.version + 1)

    def enters(self, queue: str) -> "_Task":
        return replace(self, queue=queue, queued=self.scene.stamp, queued_ms=self.scene.now_ms)


def task(scene: Scene) -> Story:
    """A task from its creation to its end."""
    made = _Task(
        scene, scene.sid("WT"), scene.pick(_CHANNELS), scene.pick(_TOPICS), created=scene.stamp, created_ms=scene.now_ms
    )
    yield made.event("task.created")
    scene.wait(0.01, 0.1)
    yield made.event("workflow.entered")
    scene.wait(0.01, 0.1)
    if scene.happens(_P_NO_TARGET):
        yield made.event("workflow.rejected")
        yield from _ended(made.now("canceled"), "canceled", task_canceled_reason="Workflow has no target")
        return
    if scene.happens(_P_SKIPPED):
        yield made.event("workflow.skipped", workflow_filter_name="VIP")
        scene.wait(0.001, 0.01)
    yield made.event("workflow.target-matched", workflow_filter_name=made.topic, workflow_filter_target_name="first")
    scene.wait(0.01, 0.05)
    made = made.enters(scene.pick(_QUEUES))
    yield made.event("task-queue.entered")
    scene.wait_about(8)
    if scene.happens(_P_UPDATED):
        made = replace(made, version=made.version + 1)
        yield made.event("task.updated")
        scene.wait_about(5)
    chance = scene.rng.random()
    if chance < _P_CANCELED:
        yield from _ended(made.now("canceled"), "canceled", task_canceled_reason="The customer left")
        return
    if chance < _P_CANCELED + _P_TIMEOUT_IN_WORKFLOW:
        scene.wait(120)
        yield made.event("workflow.timeout")
        yield from _ended(made.now("canceled"), "canceled", task_canceled_reason="Task TTL Exceeded")
        return
    if scene.happens(_P_TOO_LONG):
        scene.wait(60)
        yield made.event("task-queue.timeout")
    if scene.happens(_P_MOVED):
        before, made = made.queue, made.enters(scene.pick([each for each in _QUEUES if each != made.queue]))
        sid = scene.company.sid("WQ", before)
        yield made.event("task-queue.moved", previous_task_queue_sid=sid, previous_task_queue_name=before)
    yield from _assigned(made.now("reserved"))


PRODUCT: Final = SimulatedProduct(
    "taskrouter",
    20,
    {
        task: 85,
        contact_centre.shift: 8,
        contact_centre.newcomer: 3,
        contact_centre.seasonal_queue: 2,
        contact_centre.busy_script: 2,
    },
)


def _assigned(made: _Task) -> Story:
    """From the first reservation on: the task is offered to one worker after the other until one accepts."""
    scene = made.scene
    while True:
        worker, reservation = scene.pick(scene.company.people), scene.sid("WR")
        yield _reservation(made, "created", reservation, worker)
        answer = scene.pick_weighted(_OFFERS)
        scene.wait_about(30 if answer == "timeout" else 4)
        if answer == "accepted":
            break
        yield _reservation(made, answer, reservation, worker)
        scene.wait(0.1, 2)
    made = made.now("assigned")
    yield _reservation(made, "accepted", reservation, worker)
    if scene.happens(_P_TRANSFER):
        scene.wait_about(45)
        yield from _transfer(made, reservation, worker)
    scene.wait_about(90)
    made = made.now("wrapping")
    yield _reservation(made, "wrapup", reservation, worker)
    scene.wait(0.01, 0.1)
    yield made.event("task.wrapup")
    scene.wait_about(15)
    made = made.now("completed")
    yield _reservation(made, "completed", reservation, worker)
    scene.wait(0.01, 0.1)
    yield from _ended(made, "completed", task_completed_reason="Resolved")


def _ended(made: _Task, end: str, **more: object) -> Story:
    """The task's last event, unless it is deleted afterwards."""
    yield made.event(f"task.{end}", **more)
    if made.scene.happens(_P_DELETED):
        made.scene.wait_about(300)
        yield made.event("task.system-deleted" if made.scene.happens(_P_TOO_OLD) else "task.deleted")


def _transfer(made: _Task, reservation: str, worker: str) -> Story:
    """The worker transfers the task to another, who accepts or not; if not, the first keeps it."""
    scene, company = made.scene, made.scene.company
    about: dict[str, object] = {
        "task_transfer_sid": scene.sid("TT"),
        "transfer_type": "worker",
        "transfer_mode": "cold",
        "transfer_initiating_worker_sid": company.sid("WK", worker),
        "transfer_initiating_reservation_sid": reservation,
        "transfer_to": company.sid("WK", scene.pick(company.people)),
        "transfer_started": scene.stamp,
    }
    yield made.event("task.transfer-initiated", **about, transfer_status="initiated")
    scene.wait_about(6)
    if scene.happens(_P_ATTEMPT_FAILED):
        yield made.event("task.transfer-attempt-failed", **about, transfer_failed_reason="Reservation rejected")
        scene.wait_about(6)
    end = scene.pick_weighted(_TRANSFERS)
    more = {"transfer_failed_reason": "Nobody accepted"} if end == "failed" else {}
    yield made.event(f"task.transfer-{end}", **about, **more, transfer_status=end)


def _reservation(made: _Task, name: str, reservation: str, worker: str) -> Event:
    return made.event(
        f"reservation.{name}",
        resource_sid=reservation,
        reservation_sid=reservation,
        worker_sid=made.scene.company.sid("WK", worker),
        worker_name=worker,
        worker_activity_name="Available",
    )
