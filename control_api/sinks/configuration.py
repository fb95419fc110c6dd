"""``/v1/Sinks/{Sid}/Configuration``: shows and changes the configuration of an existing sink. An extension.

The reference's UpdateSink changes only the description.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web
from pydantic import BaseModel

from control_api.http.answers import json_answer, timestamp
from control_api.http.codes import Code, refused
from control_api.http.declared import One, Operation, json_text, refused_with
from control_api.http.forms import read_form_or_json
from control_api.plane import PLANE, ControlPlane
from control_api.sinks import checks
from control_api.sinks import resource as sinks
from control_api.sinks.kept_secrets import keep_secrets, places
from eventstreams.client.models import SinkConfiguration
from eventstreams.control.records import SinkRecord, SinkStatus
from eventstreams.http import ACCOUNT, ErrorCode, RefusedError
from eventstreams.sinks.contract import AnySinkPlugin

PATH: Final = f"{sinks.PATH}/{{sid}}/Configuration"
_STAYS: Final = " (secrets that were not given are unchanged; null removes one)"


async def fetch(request: web.Request) -> web.Response:
    """Answer with the sink's configuration, without its secrets."""
    return json_answer(_show(request, sinks.find(request)))


async def update(request: web.Request) -> web.Response:
    """Replace the sink's configuration; secrets that are not given are kept.

    Deliveries under way finish with the old configuration; later ones, including those of waiting events, use the new.
    """
    plane, form = request.app[PLANE], await read_form_or_json(request)
    given = checks.configuration_in(form.required("SinkConfiguration"), "updated")
    async with plane.writing:
        sink = sinks.find(request)
        stored = sinks.unlocked_configuration(plane, sink)
        wanted = _wanted(_plugin(plane, sink), given, stored)
        if orjson.loads(wanted) != orjson.loads(stored):
            configuration = sinks.locked_configuration(plane, sink.sid, wanted)
            sink = replace(sink, configuration=configuration, updated_ms=plane.clock())
            if plane.validates(sink.sink_type):
                sink = _to_be_validated(plane, request, sink)
            await plane.writer.put(sink)
    return json_answer(_show(request, sink))


def _wanted(plugin: AnySinkPlugin, given: Mapping[str, object], stored: str) -> str:
    """The configuration to store in place of ``stored``.

    Raises:
        RefusedError: the plugin does not accept it; or a secret that was not given would be sent somewhere else.
    """
    before = checks.read_stored(plugin, stored)
    shown = checks.public_part(plugin, before)
    kept = keep_secrets(given, shown=shown, stored=orjson.loads(stored), model=plugin.config)
    note = _STAYS if kept.secrets else ""
    config = checks.checked_configuration(kept.configuration, plugin, "updated", note=note)
    # Somebody who may change a sink but does not know its secrets must not be able to have them sent elsewhere.
    moved = places(plugin.public(config), plugin.config) - places(shown, plugin.config)
    if moved:
        signing = set() if before is None else _signing_keys(plugin, before)
        leaving = [path for path in kept.secrets if path.partition(".")[0] not in signing]
        if leaving:
            raise refused(
                Code.SINK_NOT_CREATED,
                f"Sink not updated: changing {', '.join(sorted({path for path, _ in moved}))} requires its secrets "
                f"to be given again: {', '.join(leaving)}",
            )
    return checks.stored_configuration(kept.configuration, config, plugin)


def _signing_keys(plugin: AnySinkPlugin, config: BaseModel) -> set[str]:
    """The keys that hold signing secrets, which are never sent, so a new destination cannot learn them."""
    if plugin.signing is None or plugin.signing.show(config) is None:
        return set()
    try:
        return set(plugin.signing.rotate(config, datetime.now(UTC), timedelta()))
    except ValueError:  # cannot rotate now: treat them like secrets that are sent
        return set()


def _to_be_validated(plane: ControlPlane, request: web.Request, sink: SinkRecord) -> SinkRecord:
    """``sink``, to be validated again, because it may lead elsewhere.

    Raises:
        RefusedError: a subscription delivers to it.
    """
    if sink.sid in plane.used_sinks(request[ACCOUNT].sid):
        raise refused(
            Code.SINK_IN_USE,
            f"Sink with SID {sink.sid} is in use, and this installation requires sinks to be validated: create "
            "another one, and validate it",
        )
    return replace(sink, status=SinkStatus.INITIALIZED, test_id=None)


def _plugin(plane: ControlPlane, sink: SinkRecord) -> AnySinkPlugin:
    plugin = plane.plugins.get(sink.sink_type)
    if plugin is None:
        raise RefusedError(
            f"Sink {sink.sid} cannot be changed: no plugin for {sink.sink_type} sinks is installed here",
            status=HTTPStatus.CONFLICT,
        )
    return plugin


def _show(request: web.Request, sink: SinkRecord) -> Mapping[str, object]:
    plane = request.app[PLANE]
    return {
        "sink_sid": sink.sid,
        "sink_type": sink.sink_type,
        "status": sink.status,
        "sink_configuration": sinks.public_configuration(plane, sink),
        "date_updated": timestamp(sink.updated_ms),
        "url": plane.url(request, f"{sinks.PATH}/{sink.sid}/Configuration"),
    }


OPERATIONS: Final = (
    Operation(
        name="FetchSinkConfiguration",
        method="GET",
        path=PATH,
        handler=fetch,
        group=sinks.GROUP,
        summary="Fetch a sink's configuration",
        description="Without its secrets.",
        names=(sinks.SID,),
        answer=One(SinkConfiguration),
        refusals=sinks.NO_SID,
    ),
    Operation(
        name="UpdateSinkConfiguration",
        method="POST",
        path=PATH,
        handler=update,
        group=sinks.GROUP,
        summary="Change a sink's configuration",
        description="Replaces the configuration; secrets that are not given are kept. In effect within seconds.",
        names=(sinks.SID,),
        form=(
            json_text(
                "SinkConfiguration", "The new configuration, as for the creation of a sink.", {"type": "object"}
            ).needed,
        ),
        answer=One(SinkConfiguration),
        refusals=(*sinks.NO_SID, *refused_with(Code.SINK_NOT_CREATED, Code.SINK_IN_USE, ErrorCode.CONFLICT)),
    ),
)
