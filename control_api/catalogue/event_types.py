"""``/v1/Types``: the existing event types."""

from datetime import date
from typing import Final

from aiohttp import web

from control_api.http.answers import json_answer, list_answer
from control_api.http.declared import Listed, One, Operation, text
from control_api.plane import PLANE, ControlPlane
from eventstreams import catalog
from eventstreams.client.reference import EventType
from eventstreams.http import not_found

PATH: Final = "/v1/Types"


async def list_all(request: web.Request) -> web.Response:
    """ListEventType, by name; filter ``SchemaId``."""
    plane = request.app[PLANE]
    types = [each for each in plane.catalog.types.values() if not each.internal]
    filters = {name: request.query[name] for name in ("SchemaId",) if name in request.query}
    if "SchemaId" in filters:
        types = [each for each in types if each.schema_id == filters["SchemaId"]]
    return list_answer(
        request,
        types,
        key="types",
        filters=filters,
        position=lambda each: (0, each.name),
        show=lambda each: show(plane, request, each),
    )


async def fetch(request: web.Request) -> web.Response:
    """FetchEventType."""
    plane = request.app[PLANE]
    found = plane.catalog.types.get(request.match_info["type"])
    if found is None or found.internal:
        raise not_found(request)
    return json_answer(show(plane, request, found))


def show(plane: ControlPlane, request: web.Request, event_type: catalog.EventType) -> dict[str, object]:
    """The event type as the API shows it."""
    return {
        "type": event_type.name,
        "schema_id": event_type.schema_id,
        "date_created": show_day(event_type.created),
        "date_updated": show_day(event_type.updated),
        "description": event_type.description,
        "status": event_type.status,
        "documentation_url": event_type.documentation_url,
        "url": plane.url(request, f"{PATH}/{event_type.name}"),
        "links": {"schema": plane.url(request, f"/v1/Schemas/{event_type.schema_id}/Versions")},
    }


def show_day(day: date) -> str:
    """The start of ``day`` in the only format that the official clients can read."""
    return f"{day:%Y-%m-%d}T00:00:00Z"


TYPE: Final = text("type", "Name of an event type.")
_GROUP: Final = "Event types"
OPERATIONS: Final = (
    Operation(
        name="ListEventType",
        method="GET",
        path=PATH,
        handler=list_all,
        group=_GROUP,
        summary="List event types",
        description="Sorted by name.",
        query=(text("SchemaId", "Only those of this schema."),),
        answer=Listed("types", EventType),
    ),
    Operation(
        name="FetchEventType",
        method="GET",
        path=f"{PATH}/{{type}}",
        handler=fetch,
        group=_GROUP,
        summary="Fetch an event type",
        names=(TYPE,),
        answer=One(EventType),
    ),
)
