"""All operations of the API. The OpenAPI document is built from this table."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from control_api import delivery_settings
from control_api.accounts import keys, operator_operations, v2010
from control_api.audit import events as audit_events
from control_api.catalogue import event_types, schema_documents, schemas
from control_api.delivery_log import accepted, attempts, content, events, flow
from control_api.http.declared import Operation
from control_api.openapi import routes as openapi
from control_api.redrive import dead_letters, router_dead_letters
from control_api.redrive import operations as redrive_operations
from control_api.redrive.jobs import JobKind
from control_api.sinks import configuration as sink_configuration
from control_api.sinks import health as sink_health
from control_api.sinks import probes as sink_probes
from control_api.sinks import resource as sinks
from control_api.sinks import samples, signing, waiting
from control_api.sinks import tests as sink_tests
from control_api.subscriptions import filter_previews, retry_schedule, subscribed_events
from control_api.subscriptions import resource as subscriptions
from control_api.topics import routes as topics

OPERATIONS: Final[Sequence[Operation]] = tuple(
    each.as_in_the_reference
    for each in (
        *event_types.OPERATIONS,
        *schemas.OPERATIONS,
        *sinks.OPERATIONS,
        *sink_tests.OPERATIONS,
        *subscriptions.OPERATIONS,
        *subscribed_events.OPERATIONS,
    )
)
"""The reference's 22 operations, described in ``docs/api.md``."""

EXTENSIONS: Final[Sequence[Operation]] = (
    *delivery_settings.OPERATIONS,
    *retry_schedule.OPERATIONS,
    *sink_health.OPERATIONS,
    *sink_probes.OPERATIONS,
    *samples.OPERATIONS,
    *sink_configuration.OPERATIONS,
    *signing.OPERATIONS,
    *filter_previews.OPERATIONS,
    *dead_letters.OPERATIONS,
    *chain.from_iterable(redrive_operations.operations(kind) for kind in JobKind),
    *attempts.OPERATIONS,
    *accepted.OPERATIONS,
    *events.OPERATIONS,
    *content.OPERATIONS,
    *flow.OPERATIONS,
    *waiting.OPERATIONS,
    *schema_documents.OPERATIONS,
    *keys.OPERATIONS,
    *(each.as_in_the_reference for each in v2010.OPERATIONS),
    *operator_operations.OPERATIONS,
    *router_dead_letters.OPERATIONS,
    *topics.OPERATIONS,
    *audit_events.OPERATIONS,
    *openapi.OPERATIONS,
)
ALL: Final = (*OPERATIONS, *EXTENSIONS)
