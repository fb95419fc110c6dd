"""``/v1/Sinks/{Sid}/Samples``: an event of any type that can be subscribed to, made up, to one sink. An extension."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from aiohttp import web

from control_api import attempts, events, sinks
from control_api.answers import json_answer
from control_api.forms import read_form_or_json
from control_api.plane import PLANE
from control_api.schema_documents import DOCUMENTS
from control_api.sink_tests import TESTER
from control_api.subscribed_events import version_in
from control_api.subscribed_types import subscribable
from eventstreams.errors import CatalogError
from eventstreams.http import RefusedError
from eventstreams.sink_tests import sample_of

PATH: Final = f"{sinks.PATH}/{{sid}}/Samples"


async def create(request: web.Request) -> web.Response:
    """Send one event of ``Type``, whose data is the example of its schema; answered once it is on its way.

    It takes the way of a test event, so it tells as much of the sink; it does not make the sink active.
    """
    plane, form = request.app[PLANE], await read_form_or_json(request)
    name, wanted = form.required("Type"), version_in(form)
    sink = sinks.find(request)
    subscribed = subscribable(name, wanted, plane.catalog, sink_type=sink.sink_type)
    schema = plane.catalog.schemas[plane.catalog.types[name].schema_id]
    try:
        data = request.app[DOCUMENTS].example(schema.versions[subscribed.schema_version - 1])
    except CatalogError:  # of an operator's own folder, which was sound when we started
        data = None
    if data is None:
        raise RefusedError(
            f"Schema {schema.id} has no example that fits it, so there is no sample of {name}",
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
