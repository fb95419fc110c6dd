"""Every operation of the API. The document that it serves is made of this table."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from control_api import (
    attempts,
    dead_letters,
    delivery,
    event_types,
    events,
    filter_previews,
    redrive_operations,
    retry_schedule,
    samples,
    schema_documents,
    schemas,
    signing,
    sink_configuration,
    sink_health,
    sink_tests,
    sinks,
    subscribed_events,
    subscriptions,
)
from control_api.accounts import keys, operator_operations, v2010
from control_api.audit import events as audit_events
from control_api.declared import Operation
from control_api.openapi import routes as openapi
from control_api.redrive.jobs import JobKind

OPERATIONS: Final[Sequence[Operation]] = tuple(
    each.form_only
    for each in (
        *event_types.OPERATIONS,
        *schemas.OPERATIONS,
        *sinks.OPERATIONS,
        *sink_tests.OPERATIONS,
        *subscriptions.OPERATIONS,
        *subscribed_events.OPERATIONS,
    )
)
"""The reference's 22. ``docs/api.md`` describes them."""

EXTENSIONS: Final[Sequence[Operation]] = (
    *delivery.OPERATIONS,
    *retry_schedule.OPERATIONS,
    *sink_health.OPERATIONS,
    *samples.OPERATIONS,
    *sink_configuration.OPERATIONS,
    *signing.OPERATIONS,
    *filter_previews.OPERATIONS,
    *dead_letters.OPERATIONS,
    *chain.from_iterable(redrive_operations.operations(kind) for kind in JobKind),
    *attempts.OPERATIONS,
    *events.OPERATIONS,
    *schema_documents.OPERATIONS,
    *keys.OPERATIONS,
    *(each.form_only for each in v2010.OPERATIONS),
    *operator_operations.OPERATIONS,
    *audit_events.OPERATIONS,
    *openapi.OPERATIONS,
)
ALL: Final = (*OPERATIONS, *EXTENSIONS)
