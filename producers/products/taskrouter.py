"""TaskRouter: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, Record, part, path, plain, timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload(Record):
    """The event itself, in TaskRouter's own form; which fields are there depends on the event."""

    sid: str | None = None
    """SID of the event."""
    eventtype: str | None = None
    """Its name, such as reservation.accepted."""
    account_sid_: str | None = None
    """SID of the account."""
    timestamp_: str | None = None
    """When it happened, RFC 3339 or seconds since the epoch."""
    workspace_sid: str | None = None
    """SID of the workspace."""
    workspace_name: str | None = None
    """Name of the workspace."""
    task_sid: str | None = None
    """SID of the task."""
    task_attributes: str | None = None
    """Attributes of the task, as JSON text."""
    task_age: int | None = None
    """Age of the task, in seconds."""
    task_date_created: str | None = None
    """When the task was created."""
    task_priority: int | None = None
    """Priority of the task; higher comes first."""
    task_assignment_status: str | None = None
    """Where the task stands, such as pending or assigned."""
    task_completed_reason: str | None = None
    """Why the task was completed."""
    task_canceled_reason: str | None = None
    """Why the task was cancelled."""
    reason: str | None = None
    """Why it happened."""
    task_channel_sid: str | None = None
    """SID of the task's channel."""
    task_channel_unique_name: str | None = None
    """Name of the task's channel."""
    reservation_sid: str | None = None
    """SID of the reservation."""
    worker_sid: str | None = None
    """SID of the worker."""
    worker_name: str | None = None
    """Name of the worker."""
    worker_attributes: str | None = None
    """Attributes of the worker, as JSON text."""
    worker_activity_sid: str | None = None
    """SID of the worker's activity."""
    worker_activity_name: str | None = None
    """Name of the worker's activity."""
    worker_time_in_previous_activity: int | None = None
    """How long the activity before lasted, in seconds."""
    worker_time_in_previous_activity_ms: int | None = None
    """How long the activity before lasted, in ms."""
    worker_previous_activity_sid: str | None = None
    """SID of the activity before."""
    worker_previous_activity_name: str | None = None
    """Name of the activity before."""
    workflow_sid: str | None = None
    """SID of the workflow."""
    workflow_name: str | None = None
    """Name of the workflow."""
    task_queue_sid: str | None = None
    """SID of the task queue."""
    task_queue_name: str | None = None
    """Name of the task queue."""
    worker_channel_available: int | None = None
    """Whether the worker takes tasks of the channel, 1 or 0."""
    worker_channel_capacity: int | None = None
    """How many tasks of the channel the worker takes at once."""
    worker_channel_available_capacity: int | None = None
    """Percentage of it that is free."""
    worker_channel_previous_capacity: int | None = None
    """What it was before."""
    worker_channel_task_count: int | None = None
    """How many tasks of the channel the worker has."""
    workflow_filter_name: str | None = None
    """Name of the workflow's filter that matched."""
    workflow_filter_expression: str | None = None
    """Its expression."""
    workflow_filter_target_expression: str | None = None
    """Expression of the target that it chose."""
    workflow_filter_target_name: str | None = None
    """Name of the target that it chose."""
    previous_task_queue_sid: str | None = None
    """SID of the queue before."""
    previous_task_queue_name: str | None = None
    """Name of the queue before."""
    previous_task_priority: int | None = None
    """Priority before."""
    target_changed_reason: str | None = None
    """Why the target was changed."""
    task_re_evaluated_reason: str | None = None
    """Why the task was evaluated again."""
    task_queue_target_expression: str | None = None
    """Expression that the queue chooses its workers by."""
    task_transfer_sid: str | None = None
    """SID of the transfer."""
    transfer_type: str | None = None
    """WARM or COLD."""
    transfer_initiating_worker_sid: str | None = None
    """SID of the worker who transfers."""
    transfer_initiating_reservation_sid: str | None = None
    """SID of that worker's reservation."""
    transfer_to: str | None = None
    """SID of the worker or queue that it is transferred to."""
    transfer_mode: str | None = None
    """How it is transferred."""
    transfer_started: str | None = None
    """When the transfer began."""
    transfer_failed_reason: str | None = None
    """Why the transfer failed."""
    transfer_status: str | None = None
    """Where the transfer stands."""
    event_description: str | None = None
    """The event in words."""
    resource_type: str | None = None
    """What the event is about, such as task or worker."""
    resource_sid: str | None = None
    """SID of what it is about."""
    task_routing_target: str | None = None
    """Worker or queue that the task was routed to directly."""
    reservation_reason_code: int | None = None
    """Why the reservation ended, as a code."""
    task_age_in_queue: int | None = None
    """How long the task has been in its queue, in seconds."""
    task_queue_entered_date: str | None = None
    """When the task entered its queue."""
    task_version: int | None = None
    """Grows with each change of the task."""
    reservation_version: int | None = None
    """Grows with each change of the reservation."""

    @override
    def as_data(self) -> Data:
        return {
            "sid": self.sid,
            "eventtype": self.eventtype,
            "account_sid": self.account_sid_,
            "timestamp": self.timestamp_,
            "workspace_sid": self.workspace_sid,
            "workspace_name": self.workspace_name,
            "task_sid": self.task_sid,
            "task_attributes": self.task_attributes,
            "task_age": self.task_age,
            "task_date_created": self.task_date_created,
            "task_priority": self.task_priority,
            "task_assignment_status": self.task_assignment_status,
            "task_completed_reason": self.task_completed_reason,
            "task_canceled_reason": self.task_canceled_reason,
            "reason": self.reason,
            "task_channel_sid": self.task_channel_sid,
            "task_channel_unique_name": self.task_channel_unique_name,
            "reservation_sid": self.reservation_sid,
            "worker_sid": self.worker_sid,
            "worker_name": self.worker_name,
            "worker_attributes": self.worker_attributes,
            "worker_activity_sid": self.worker_activity_sid,
            "worker_activity_name": self.worker_activity_name,
            "worker_time_in_previous_activity": self.worker_time_in_previous_activity,
            "worker_time_in_previous_activity_ms": self.worker_time_in_previous_activity_ms,
            "worker_previous_activity_sid": self.worker_previous_activity_sid,
            "worker_previous_activity_name": self.worker_previous_activity_name,
            "workflow_sid": self.workflow_sid,
            "workflow_name": self.workflow_name,
            "task_queue_sid": self.task_queue_sid,
            "task_queue_name": self.task_queue_name,
            "worker_channel_available": self.worker_channel_available,
            "worker_channel_capacity": self.worker_channel_capacity,
            "worker_channel_available_capacity": self.worker_channel_available_capacity,
            "worker_channel_previous_capacity": self.worker_channel_previous_capacity,
            "worker_channel_task_count": self.worker_channel_task_count,
            "workflow_filter_name": self.workflow_filter_name,
            "workflow_filter_expression": self.workflow_filter_expression,
            "workflow_filter_target_expression": self.workflow_filter_target_expression,
            "workflow_filter_target_name": self.workflow_filter_target_name,
            "previous_task_queue_sid": self.previous_task_queue_sid,
            "previous_task_queue_name": self.previous_task_queue_name,
            "previous_task_priority": self.previous_task_priority,
            "target_changed_reason": self.target_changed_reason,
            "task_re_evaluated_reason": self.task_re_evaluated_reason,
            "task_queue_target_expression": self.task_queue_target_expression,
            "task_transfer_sid": self.task_transfer_sid,
            "transfer_type": self.transfer_type,
            "transfer_initiating_worker_sid": self.transfer_initiating_worker_sid,
            "transfer_initiating_reservation_sid": self.transfer_initiating_reservation_sid,
            "transfer_to": self.transfer_to,
            "transfer_mode": self.transfer_mode,
            "transfer_started": self.transfer_started,
            "transfer_failed_reason": self.transfer_failed_reason,
            "transfer_status": self.transfer_status,
            "event_description": self.event_description,
            "resource_type": self.resource_type,
            "resource_sid": self.resource_sid,
            "task_routing_target": self.task_routing_target,
            "reservation_reason_code": self.reservation_reason_code,
            "task_age_in_queue": self.task_age_in_queue,
            "task_queue_entered_date": self.task_queue_entered_date,
            "task_version": self.task_version,
            "reservation_version": self.reservation_version,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _WDSEvent(ProductEvent):
    """Something happened to a task, reservation, worker, queue or workflow (``TaskRouter.WDSEvent``, version 4)."""

    sid: str
    """SID of the event, EV and 32 hexadecimal digits."""
    account_friendly_name: str | None = None
    """Name of the account."""
    parent_account_sid: str | None = None
    """SID of the account's parent."""
    parent_friendly_name: str | None = None
    """Name of the account's parent."""
    level: str | None = None
    """How grave it is, such as INFO."""
    group: str | None = None
    """What it is about: task, reservation, worker, task-queue or workflow."""
    product_name: str | None = None
    """The product, TaskRouter."""
    publisher: str | None = None
    """The part of the product that says so."""
    publisher_metadata: str | None = None
    """What that part adds, as JSON text."""
    payload_type: str | None = None
    """Media type of the payload."""
    payload: Payload | None = None
    """The event itself."""

    @override
    def event(self) -> Event:
        data: Data = {
            "sid": self.sid,
            "name": self.TYPE.removeprefix("com.twilio.taskrouter."),
            "account_sid": self.account_sid,
            "account_friendly_name": self.account_friendly_name,
            "parent_account_sid": self.parent_account_sid,
            "parent_friendly_name": self.parent_friendly_name,
            "timestamp": timestamp(self.time),
            "level": self.level,
            "group": self.group,
            "product_name": self.product_name,
            "publisher": self.publisher,
            "publisher_metadata": self.publisher_metadata,
            "payload_type": self.payload_type,
            "payload": plain(self.payload),
        }
        return self._event(
            data,
            version=4,
            source=path("/v1/Workspaces/", part(self.payload, "workspace_sid"), "/Events/", self.sid),
            key=part(self.payload, "task_sid") or part(self.payload, "worker_sid"),
        )


class ReservationAccepted(_WDSEvent):
    """A worker has accepted a task."""

    TYPE = "com.twilio.taskrouter.reservation.accepted"


class ReservationCanceled(_WDSEvent):
    """The offer of a task was cancelled."""

    TYPE = "com.twilio.taskrouter.reservation.canceled"


class ReservationCompleted(_WDSEvent):
    """A worker has completed a task."""

    TYPE = "com.twilio.taskrouter.reservation.completed"


class ReservationCreated(_WDSEvent):
    """A task was offered to a worker."""

    TYPE = "com.twilio.taskrouter.reservation.created"


class ReservationFailed(_WDSEvent):
    """A reservation has failed."""

    TYPE = "com.twilio.taskrouter.reservation.failed"


class ReservationRejected(_WDSEvent):
    """A worker has rejected a task."""

    TYPE = "com.twilio.taskrouter.reservation.rejected"


class ReservationRescinded(_WDSEvent):
    """The offer of a task was withdrawn, another worker has it."""

    TYPE = "com.twilio.taskrouter.reservation.rescinded"


class ReservationTimeout(_WDSEvent):
    """A worker has not answered the offer of a task in time."""

    TYPE = "com.twilio.taskrouter.reservation.timeout"


class ReservationWrapup(_WDSEvent):
    """A worker is wrapping a task up."""

    TYPE = "com.twilio.taskrouter.reservation.wrapup"


class TaskQueueCreated(_WDSEvent):
    """A task queue was created."""

    TYPE = "com.twilio.taskrouter.task-queue.created"


class TaskQueueDeleted(_WDSEvent):
    """A task queue was deleted."""

    TYPE = "com.twilio.taskrouter.task-queue.deleted"


class TaskQueueEntered(_WDSEvent):
    """A task has entered a queue."""

    TYPE = "com.twilio.taskrouter.task-queue.entered"


class TaskQueueExpressionUpdated(_WDSEvent):
    """A queue chooses its workers by another expression now."""

    TYPE = "com.twilio.taskrouter.task-queue.expression-updated"


class TaskQueueMoved(_WDSEvent):
    """A task was moved to another queue."""

    TYPE = "com.twilio.taskrouter.task-queue.moved"


class TaskQueueTimeout(_WDSEvent):
    """A task has waited too long in its queue."""

    TYPE = "com.twilio.taskrouter.task-queue.timeout"


class TaskCanceled(_WDSEvent):
    """A task was cancelled."""

    TYPE = "com.twilio.taskrouter.task.canceled"


class TaskCompleted(_WDSEvent):
    """A task was completed."""

    TYPE = "com.twilio.taskrouter.task.completed"


class TaskCreated(_WDSEvent):
    """A task was created."""

    TYPE = "com.twilio.taskrouter.task.created"


class TaskDeleted(_WDSEvent):
    """A task was deleted."""

    TYPE = "com.twilio.taskrouter.task.deleted"


class TaskSystemDeleted(_WDSEvent):
    """A task was deleted because it was too old."""

    TYPE = "com.twilio.taskrouter.task.system-deleted"


class TaskTransferAttemptFailed(_WDSEvent):
    """One attempt to transfer a task has failed."""

    TYPE = "com.twilio.taskrouter.task.transfer-attempt-failed"


class TaskTransferCanceled(_WDSEvent):
    """The transfer of a task was cancelled."""

    TYPE = "com.twilio.taskrouter.task.transfer-canceled"


class TaskTransferCompleted(_WDSEvent):
    """A task was transferred."""

    TYPE = "com.twilio.taskrouter.task.transfer-completed"


class TaskTransferFailed(_WDSEvent):
    """The transfer of a task has failed."""

    TYPE = "com.twilio.taskrouter.task.transfer-failed"


class TaskTransferInitiated(_WDSEvent):
    """The transfer of a task has begun."""

    TYPE = "com.twilio.taskrouter.task.transfer-initiated"


class TaskUpdated(_WDSEvent):
    """A task was changed."""

    TYPE = "com.twilio.taskrouter.task.updated"


class TaskWrapup(_WDSEvent):
    """A task's work is done, its wrap-up has begun."""

    TYPE = "com.twilio.taskrouter.task.wrapup"


class WorkerActivityUpdate(_WDSEvent):
    """A worker does something else now."""

    TYPE = "com.twilio.taskrouter.worker.activity.update"


class WorkerAttributesUpdate(_WDSEvent):
    """A worker's attributes were changed."""

    TYPE = "com.twilio.taskrouter.worker.attributes.update"


class WorkerCapacityUpdate(_WDSEvent):
    """A worker takes more or fewer tasks of a channel."""

    TYPE = "com.twilio.taskrouter.worker.capacity.update"


class WorkerChannelAvailabilityUpdate(_WDSEvent):
    """A worker takes tasks of a channel, or no longer."""

    TYPE = "com.twilio.taskrouter.worker.channel.availability.update"


class WorkerCreated(_WDSEvent):
    """A worker was created."""

    TYPE = "com.twilio.taskrouter.worker.created"


class WorkerDeleted(_WDSEvent):
    """A worker was deleted."""

    TYPE = "com.twilio.taskrouter.worker.deleted"


class WorkflowEntered(_WDSEvent):
    """A task has entered a workflow."""

    TYPE = "com.twilio.taskrouter.workflow.entered"


class WorkflowRejected(_WDSEvent):
    """A workflow had no use for a task."""

    TYPE = "com.twilio.taskrouter.workflow.rejected"


class WorkflowSkipped(_WDSEvent):
    """A workflow has skipped a target."""

    TYPE = "com.twilio.taskrouter.workflow.skipped"


class WorkflowTargetMatched(_WDSEvent):
    """A workflow has found a target for a task."""

    TYPE = "com.twilio.taskrouter.workflow.target-matched"


class WorkflowTimeout(_WDSEvent):
    """A task has waited too long in a workflow."""

    TYPE = "com.twilio.taskrouter.workflow.timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratelimits(ProductEvent):
    """An account asks TaskRouter's API more often than it may, or soon will (``ApiUsage.TaskRouterRateLimits``,
    version 1).
    """

    TYPE = "com.twilio.apiusage.taskrouter.ratelimits"

    source: str
    """REST path of the resource it speaks of."""
    workspace_sid: str | None = None
    """SID of the workspace that is asked about; absent where the limit is the account's."""
    resource: str | None = None
    """What is asked for, such as Tasks or Workers."""
    method: str | None = None
    """HTTP method of the requests that count."""
    limit: int | None = None
    """Most requests in one interval."""
    usage: int | None = None
    """Requests that were made in it."""
    interval_seconds: int | None = None
    """Length of the interval, in seconds."""
    throttled: bool | None = None
    """True where requests were refused with 429, false where this only warns."""

    @override
    def event(self) -> Event:
        data: Data = {
            "account_sid": self.account_sid,
            "workspace_sid": self.workspace_sid,
            "resource": self.resource,
            "method": self.method,
            "limit": self.limit,
            "usage": self.usage,
            "interval_seconds": self.interval_seconds,
            "throttled": self.throttled,
            "timestamp": timestamp(self.time),
        }
        return self._event(data, version=1)
