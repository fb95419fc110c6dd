"""``/v1/Schemas/{Id}`` and its ``Versions``: the schemas of events' data, with links to their JSON Schema documents."""

from typing import Final

from aiohttp import web

from control_api.catalogue.event_types import show_day
from control_api.http.answers import json_answer, list_answer
from control_api.http.declared import Listed, One, Operation, integer, text
from control_api.plane import PLANE, ControlPlane
from eventstreams.catalog import Schema, SchemaVersion
from eventstreams.client import reference as models
from eventstreams.http import RefusedError, not_found

PATH: Final = "/v1/Schemas/{id}"
VERSIONS_PATH: Final = f"{PATH}/Versions"
_MAX_DIGITS: Final = 9


async def fetch(request: web.Request) -> web.Response:
    """FetchSchema."""
    schema, url = _find(request), _url(request, request.match_info["id"])
    return json_answer(
        {
            "id": schema.id,
            "url": url,
            "links": {"versions": f"{url}/Versions"},
            "latest_version_date_created": show_day(schema.latest.released),
            "latest_version": schema.latest.version,
        }
    )


async def list_versions(request: web.Request) -> web.Response:
    """ListSchemaVersion, oldest first."""
    return list_answer(
        request,
        _find(request).versions,
        key="schema_versions",
        filters={},
        position=lambda each: (each.version, ""),
        show=lambda each: _show(request.app[PLANE], request, each),
    )


async def fetch_version(request: web.Request) -> web.Response:
    """FetchSchemaVersion."""
    schema, number = _find(request), request.match_info["version"]
    if not (number.isascii() and number.isdecimal()) or len(number) > _MAX_DIGITS:
        raise RefusedError("SchemaVersion must be an integer")
    version = schema.version(int(number))
    if version is None:
        raise not_found(request)
    return json_answer(_show(request.app[PLANE], request, version))


def _show(plane: ControlPlane, request: web.Request, version: SchemaVersion) -> dict[str, object]:
    return {
        "id": version.schema_id,
        "schema_version": version.version,
        "date_created": show_day(version.released),
        "url": f"{_url(request, version.schema_id)}/Versions/{version.version}",
        "raw": plane.url(request, f"/schemas/{version.schema_id}/{version.version}"),
    }


def _find(request: web.Request) -> Schema:
    schema = request.app[PLANE].catalog.schemas.get(request.match_info["id"])
    if schema is None:
        raise not_found(request)
    return schema


def _url(request: web.Request, schema_id: str) -> str:
    return request.app[PLANE].url(request, PATH.format(id=schema_id))


_ID: Final = text("id", "Id of a schema.")
_GROUP: Final = "Schemas"
OPERATIONS: Final = (
    Operation(
        name="FetchSchema",
        method="GET",
        path=PATH,
        handler=fetch,
        group=_GROUP,
        summary="Fetch a schema",
        names=(_ID,),
        answer=One(models.Schema),
    ),
    Operation(
        name="ListSchemaVersion",
        method="GET",
        path=VERSIONS_PATH,
        handler=list_versions,
        group=_GROUP,
        summary="List the versions of a schema",
        description="Oldest first.",
        names=(_ID,),
        answer=Listed("schema_versions", models.SchemaVersion),
    ),
    Operation(
        name="FetchSchemaVersion",
        method="GET",
        path=f"{VERSIONS_PATH}/{{version}}",
        handler=fetch_version,
        group=_GROUP,
        summary="Fetch a version of a schema",
        names=(_ID, integer("version", "Number of the version.", least=1)),
        answer=One(models.SchemaVersion),
    ),
)
