"""Enumerations in the API's answers, shared by the server and its clients. Pure."""

from enum import StrEnum
from typing import Final, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class SinkHealth(StrEnum):
    """Health of a sink.

    ``working``: it answered the last attempt, even if it refused the event. ``failing``: it did not. ``broken``: it
    failed so often in a row that workers hold its events back. ``silent``: the log knows of no attempt.
    """

    PAUSED = "paused"
    WORKING = "working"
    FAILING = "failing"
    BROKEN = "broken"
    SILENT = "silent"


class DeliveryState(StrEnum):
    """Where an event stands for one subscription.

    ``routing``: not routed yet. ``waiting``: on the subscription's topic, waiting for its first attempt. ``retrying``:
    on a retry topic, until its next attempt or its deadline. ``unrecorded``: no longer on the topic, but what happened
    to it was not logged. ``filtered``: excluded by the subscription's filter.
    """

    ROUTING = "routing"
    WAITING = "waiting"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    DEAD = "dead"
    UNRECORDED = "unrecorded"
    FILTERED = "filtered"


class JobStatus(StrEnum):
    """The reference's (unpublished) ``replay_enum_status``."""

    SUBMITTED = "submitted"
    STARTING = "starting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"


FINISHED: Final = frozenset({JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.COMPLETED})


class SkipReason(StrEnum):
    """Why a selected event is not copied to a subscription's topic."""

    SUBSCRIPTION_DELETED = "subscription_deleted"
    OTHER_ACCOUNT = "other_account"
    UNREADABLE = "unreadable"
    FILTERED = "filtered"


class FilterVerdict(StrEnum):
    """The result of applying a filter to an event. All but ``excluded`` and ``undecided`` are delivered.

    ``undecided``: the filter needs a field that this event does not have, so it is neither true nor false.
    ``unfiltered``: the event, or the filter, cannot be read by this release, so the result is unknown.
    """

    TAKEN = "taken"
    EXCLUDED = "excluded"
    UNDECIDED = "undecided"
    UNFILTERED = "unfiltered"


class Open:
    """Marks ``SomeEnum | str``: the API document lists today's values, and a client accepts future ones as strings."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Try the enumeration first: pydantic by itself would prefer the string, whose type matches exactly."""
        return core_schema.union_schema(
            [handler.generate_schema(each) for each in get_args(source)], mode="left_to_right"
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Document the enumeration only."""
        found: JsonSchemaValue = handler(schema)["anyOf"][0]
        return found
