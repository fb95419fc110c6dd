"""Tasks of a contact centre: created, queued, reserved for a worker until one accepts, wrapped up, completed."""

from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Final

from eventstreams.events import Event
from eventstreams.times import rfc3339_ms
from producers.simulator.company import Company, Queue, Worker
from producers.simulator.story import Step, Story, new_id

_P_CANCELED: Final = 0.08  # the customer hangs up while waiting
_P_REJECTED: Final = 0.12  # of reservations; the next worker is asked
_P_TIMEOUT: Final = 0.08
_CHANNELS: Final = ("voice", "chat", "sms", "default")
_TOPICS: Final = ("billing", "delivery", "returns")


@dataclass(frozen=True, slots=True)
class _Task:
    """A task as it stands; each step is a new one."""

    sid: str
    company: Company
    channel: str
    topic: str
    queue: Queue
    created: datetime
    status: str = "pending"
    version: int = 0
    queued: datetime | None = None

    def event(self, rng: Random, name: str, at: datetime, **more: object) -> Event:
        """The event ``name`` of this task; ``more`` goes into its payload."""
        company, event_sid = self.company, new_id(rng, "EV")
        group = name.partition(".")[0]
        payload = self._payload(name, at) | {"resource_type": group, "resource_sid": self.sid} | more
        data: dict[str, object] = {
            "sid": event_sid,
            "name": name,
            "account_sid": company.account_sid,
            "timestamp": rfc3339_ms(at),
            "level": "INFO",
            "group": group,
            "product_name": "TaskRouter",
            "publisher": "TaskRouter",
            "payload_type": "application/json",
            "payload": payload,
        }
        return Event(
            type=f"com.twilio.taskrouter.{name}",
            source=f"/v1/Workspaces/{company.workspace_sid}/Events/{event_sid}",
            account_sid=company.account_sid,
            data=data,
            id=new_id(rng, "EZ"),
            time=at,
            partition_key=self.sid,  # each event has a source of its own; what belongs together is the task
        )

    def _payload(self, name: str, at: datetime) -> dict[str, object]:
        payload: dict[str, object] = {
            "eventtype": name,
            "account_sid": self.company.account_sid,
            "timestamp": rfc3339_ms(at),
            "workspace_sid": self.company.workspace_sid,
            "workspace_name": "Contact centre",
            "workflow_sid": self.company.workflow_sid,
            "workflow_name": "By topic",
            "task_sid": self.sid,
            "task_attributes": f'{{"topic":"{self.topic}"}}',
            "task_age": round((at - self.created).total_seconds()),
            "task_date_created": rfc3339_ms(self.created),
            "task_priority": 0,
            "task_assignment_status": self.status,
            "task_channel_unique_name": self.channel,
            "task_version": self.version,
        }
        if self.queued is not None:
            payload |= {
                "task_queue_sid": self.queue.sid,
                "task_queue_name": self.queue.name,
                "task_queue_entered_date": rfc3339_ms(self.queued),
                "task_age_in_queue": round((at - self.queued).total_seconds()),
            }
        return payload

    def now(self, status: str) -> "_Task":
        return replace(self, status=status, version=self.version + 1)


def task(company: Company, rng: Random, at: datetime) -> Story:
    """A task from its creation to its end."""
    made = _Task(
        new_id(rng, "WT"), company, rng.choice(_CHANNELS), rng.choice(_TOPICS), rng.choice(company.queues), created=at
    )
    at = yield Step(made.event(rng, "task.created", at), rng.uniform(0.01, 0.1))
    at = yield Step(made.event(rng, "workflow.entered", at), rng.uniform(0.01, 0.1))
    made = replace(made, queued=at)
    canceled = rng.random() < _P_CANCELED
    at = yield Step(made.event(rng, "task-queue.entered", at), rng.uniform(1, 30))
    if canceled:
        reason = "The customer left"
        yield Step(made.now("canceled").event(rng, "task.canceled", at, task_canceled_reason=reason), None)
        return
    yield from _assigned(made.now("reserved"), rng, at)


def _assigned(made: _Task, rng: Random, at: datetime) -> Story:
    """From the first reservation on: workers are asked one after the other until one accepts."""
    while True:
        worker, reservation = rng.choice(made.company.workers), new_id(rng, "WR")
        chance = rng.random()
        at = yield Step(_reservation(made, rng, "created", at, reservation, worker), rng.uniform(0.5, 15))
        if chance >= _P_REJECTED + _P_TIMEOUT:
            break
        name = "rejected" if chance < _P_REJECTED else "timeout"
        at = yield Step(_reservation(made, rng, name, at, reservation, worker), rng.uniform(0.1, 2))
    made = made.now("assigned")
    at = yield Step(_reservation(made, rng, "accepted", at, reservation, worker), rng.uniform(10, 240))
    made = made.now("wrapping")
    at = yield Step(_reservation(made, rng, "wrapup", at, reservation, worker), rng.uniform(0.01, 0.1))
    at = yield Step(made.event(rng, "task.wrapup", at), rng.uniform(2, 40))
    made = made.now("completed")
    at = yield Step(_reservation(made, rng, "completed", at, reservation, worker), rng.uniform(0.01, 0.1))
    yield Step(made.event(rng, "task.completed", at, task_completed_reason="Resolved"), None)


def _reservation(made: _Task, rng: Random, name: str, at: datetime, reservation: str, worker: Worker) -> Event:
    return made.event(
        rng,
        f"reservation.{name}",
        at,
        resource_sid=reservation,
        reservation_sid=reservation,
        worker_sid=worker.sid,
        worker_name=worker.name,
        worker_activity_name="Available",
    )
