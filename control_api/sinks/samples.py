"""``/v1/Sinks/{Sid}/Samples``: sends a sample event, of any type that can be subscribed to, to a sink. An extension."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from aiohttp import web

from control_api.catalogue.schema_documents import DOCUMENTS
from control_api.delivery_log import attempts, events
from control_api.http.answers import json_answer
from control_api.http.codes import Code
from control_api.http.declared import One, Operation, integer, refused_with, text
from control_api.http.forms import read_form_or_json
from control_api.plane import PLANE
from control_api.sinks import resource as sinks
from control_api.sinks.tests import TESTER
from control_api.subscriptions.subscribed_events import version_in
from control_api.subscriptions.subscribed_types import subscribable
from eventstreams.client.models import Sample
from eventstreams.control.records import SinkStatus
from eventstreams.control.sink_tests import sample_of
from eventstreams.errors import CatalogError
from eventstreams.http import ErrorCode, RefusedError

PATH: Final = f"{sinks.PATH}/{{sid}}/Samples"


async def create(request: web.Request) -> web.Response:
    """Send an event of ``Type`` with its schema's example as data; answered once Kafka has it.

    It is delivered like a test event, so it says as much about the sink, but it does not make the sink active.
    """
    plane, form = request.app[PLANE], await read_form_or_json(request)
    name, wanted = form.required("Type"), version_in(form)
    sink = sinks.find(request)
    if plane.is_anybodys(sink.sink_type) and sink.status is not SinkStatus.ACTIVE:
        raise RefusedError(
            f"Sink {sink.sid} is {sink.status}: until it is validated it only gets test events",
            status=HTTPStatus.CONFLICT,
        )
    subscribed = subscribable(name, wanted, plane.catalog, sink_type=sink.sink_type)
    event_type = plane.catalog.types[name]
    schema = plane.catalog.schemas[event_type.schema_id]
    try:
        data = request.app[DOCUMENTS].example(schema.versions[subscribed.schema_version - 1], event_type)
    except CatalogError:  # in an operator's own folder, which was valid when the process started
        data = None
    if data is None:
        raise RefusedError(
            f"Schema {schema.id} has no valid example, so there is no sample of {name}",
            status=HTTPStatus.CONFLICT,
        )
    sample = sample_of(sink, subscribed, data)
    await request.app[TESTER].submit(sink, sample)
    return json_answer(
        {
            "result": "submitted",
            "sink_sid": sink.sid,
            "event_id": sample.id,
            "type": subscribed.type,
            "schema_version": subscribed.schema_version,
            "links": {
                "event": plane.url(request, f"{events.PATH}/{quote(sample.id)}"),
                "attempts": plane.url(request, f"{attempts.PATH}?SinkSid={sink.sid}&EventId={quote(sample.id)}"),
            },
        },
        status=HTTPStatus.CREATED,
    )


OPERATIONS: Final = (
    Operation(
        name="CreateSample",
        method="POST",
        path=PATH,
        handler=create,
        group=sinks.GROUP,
        summary="Send a sample event to a sink",
        description="Of any type that can be subscribed to; its data is the example from its schema.",
        names=(sinks.SID,),
        form=(
            text("Type", "Name of the event type.").needed,
            integer("SchemaVersion", "Version of the event type's schema; default: the newest.", least=1),
        ),
        answer=One(Sample),
        statuses=(HTTPStatus.CREATED,),
        refusals=(
            *sinks.NO_SID,
            *refused_with(Code.EVENT_TYPE_NOT_FOUND, Code.SUBSCRIPTION_NOT_CREATED, ErrorCode.CONFLICT),
        ),
    ),
)
