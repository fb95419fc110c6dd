"""Studio: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class _FlowExecutionEvent(ProductEvent):
    """Somebody's way through a flow has begun, or is over (``Studio.FlowExecutionEvent``, version 2)."""

    execution_sid: str
    """SID of the execution, FN and 32 hexadecimal digits."""
    flow_sid: str
    """SID of the flow, FW and 32 hexadecimal digits."""
    contact_channel_address: str | None = None
    """Who goes through the flow: a number, or an address of the channel."""
    status: str | None = None
    """active or ended."""
    ended_reason: str | None = None
    """Why it is over, such as FLOW_END or REMOVED; absent while it is not."""
    date_created: str | None = None
    """When it began, RFC 3339 with milliseconds."""
    date_updated: str | None = None
    """When it last moved on, RFC 3339 with milliseconds."""
    started_by: str | None = None
    """SID of the call or message that began it; absent where the API did."""
    flow_revision: int | None = None
    """Revision of the flow that it follows to its end."""

    @override
    def event(self) -> Event:
        data: Data = {
            "execution_sid": self.execution_sid,
            "account_sid": self.account_sid,
            "flow_sid": self.flow_sid,
            "contact_channel_address": self.contact_channel_address,
            "status": self.status,
            "ended_reason": self.ended_reason,
            "date_created": self.date_created,
            "date_updated": self.date_updated,
            "started_by": self.started_by,
            "flow_revision": self.flow_revision,
        }
        return self._event(
            data,
            version=2,
            source=f"/v2/Flows/{self.flow_sid}/Executions/{self.execution_sid}",
            key=self.execution_sid,
        )


class ExecutionEnded(_FlowExecutionEvent):
    """Somebody's way through a flow is over."""

    TYPE = "com.twilio.studio.flow.execution.ended"


class ExecutionStarted(_FlowExecutionEvent):
    """Somebody has entered a flow."""

    TYPE = "com.twilio.studio.flow.execution.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded(ProductEvent):
    """Somebody has passed one widget of a flow (``Studio.FlowStepEvent``, version 1)."""

    TYPE = "com.twilio.studio.flow.step.ended"

    step_sid: str
    """SID of the step, FT and 32 hexadecimal digits."""
    execution_sid: str
    """SID of the execution, FN and 32 hexadecimal digits."""
    flow_sid: str
    """SID of the flow, FW and 32 hexadecimal digits."""
    parent_step_sid: str | None = None
    """SID of the step of the flow that called this one; absent in a flow that none called."""
    name: str | None = None
    """Name of the event that ended the step, such as success or incomingCall."""
    transitioned_from: str | None = None
    """The widget that was left."""
    transitioned_to: str | None = None
    """The widget that was entered; Ended after the last."""
    date_created: str | None = None
    """When it was passed, RFC 3339 with milliseconds."""

    @override
    def event(self) -> Event:
        data: Data = {
            "step_sid": self.step_sid,
            "execution_sid": self.execution_sid,
            "account_sid": self.account_sid,
            "flow_sid": self.flow_sid,
            "parent_step_sid": self.parent_step_sid,
            "name": self.name,
            "transitioned_from": self.transitioned_from,
            "transitioned_to": self.transitioned_to,
            "date_created": self.date_created,
        }
        return self._event(
            data,
            version=1,
            source=f"/v2/Flows/{self.flow_sid}/Executions/{self.execution_sid}/Steps/{self.step_sid}",
            key=self.execution_sid,
        )
