"""``GET /schemas/{Id}/{version}``, also with ``.json``: a schema version as JSON Schema, without authentication.

With ``EVENTSTREAMS_SCHEMA_BASE_URL`` at the API's ``/schemas``, the ``dataschema`` of every event leads here.
"""

import difflib
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from control_api.http.declared import Caller, Document, Operation, text
from control_api.plane import PLANE
from eventstreams.catalog import Catalog, EventType, SchemaVersion
from eventstreams.catalog.schema_documents import MEDIA_TYPE, SchemaDocuments
from eventstreams.http import RefusedError

PATH: Final = "/schemas/{id}/{version}"
DOCUMENTS: Final = web.AppKey("documents", SchemaDocuments)
_CACHED: Final = "public, max-age=3600"  # a version's fields never change, but an upgrade may improve its descriptions
_MAX_SHOWN: Final = 200
_TYPE: Final = "Type"


async def fetch(request: web.Request) -> web.Response:
    """Answer with the document, or with 304 if the client has it already."""
    catalog = request.app[PLANE].catalog
    version = _wanted(catalog, request.match_info["id"], request.match_info["version"])
    document = request.app[DOCUMENTS].document(version, _type(catalog, version, request.query.get(_TYPE)))
    headers = {hdrs.CACHE_CONTROL: _CACHED, hdrs.ETAG: f'"{document.etag}"'}
    known = {each.value for each in request.if_none_match or ()}
    if known & {document.etag, "*"}:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return web.Response(body=document.body, content_type=MEDIA_TYPE, headers=headers)


def _wanted(catalog: Catalog, schema_id: str, number: str) -> SchemaVersion:
    """The version that ``number`` names, such as ``7`` or ``7.json``.

    Raises:
        RefusedError: 404: there is none; says which there are.
    """
    schema = catalog.schemas.get(schema_id)
    if schema is None:
        near = difflib.get_close_matches(schema_id[:_MAX_SHOWN], catalog.schemas, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise RefusedError(f"There is no schema {schema_id[:_MAX_SHOWN]}{hint}", status=HTTPStatus.NOT_FOUND)
    digits = number.removesuffix(".json")
    version = next((each for each in schema.versions if str(each.version) == digits), None)
    if version is None:
        raise RefusedError(
            f"Schema {schema.id} has no version {digits[:_MAX_SHOWN]}: there are 1 to {schema.latest.version}",
            status=HTTPStatus.NOT_FOUND,
        )
    return version


def _type(catalog: Catalog, version: SchemaVersion, name: str | None) -> EventType | None:
    """The event type ``name`` for the document's example; None for None.

    Raises:
        RefusedError: 400: there is no such type, or its events have another schema.
    """
    if name is None:
        return None
    found = catalog.types.get(name)
    if found is None or found.internal or found.schema_id != version.schema_id:
        raise RefusedError(f"{_TYPE} must be an event type of schema {version.schema_id}: see /v1/Types")
    return found


OPERATIONS: Final = (
    Operation(
        name="FetchSchemaDocument",
        method="GET",
        path=PATH,
        handler=fetch,
        group="Schemas",
        summary="Fetch a version of a schema as JSON Schema",
        description="With an example of the data, either common to all event types of the schema or for one type.",
        names=(text("id", "Id of a schema."), text("version", "Number of the version, with or without `.json`.")),
        query=(text(_TYPE, "Event type for the example."),),
        answer=Document(MEDIA_TYPE),
        caller=Caller.ANYBODY,
    ),
)
